"""The log as a program reads it: one JSON object a line, with the CFD's id, and never a value of a traceback."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from cfd_node.logs import configure_logs

from cfd_core.values import Secret


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs(logging.INFO, stream, as_json=True)
    yield stream
    structlog.reset_defaults()


def test_a_line_is_an_object_with_the_cfds_id(stream: io.StringIO) -> None:
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(cfd="1f" * 16, node="taker"):
        log.info("stored", stored_event="LockSeen", version=4)
    log.debug("not important enough")
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert line.pop("timestamp")
    about = {"cfd": "1f" * 16, "node": "taker"}
    assert line == {"event": "stored", "level": "info", "stored_event": "LockSeen", "version": 4, **about}


def test_a_traceback_shows_code_and_no_secret(stream: io.StringIO) -> None:
    key = Secret(b"not to be seen, whatever happens")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("it failed", key=key)
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert "ValueError: broken" in line["exception"]
    assert "test_a_traceback_shows_code" in line["exception"]
    assert "not to be seen" not in stream.getvalue()
