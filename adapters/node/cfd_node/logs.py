"""What the nodes log: one line per event, and tracebacks that show code but never the values in it."""

import calendar
import logging
import time
from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import Any, Final, TextIO

import structlog
from cfd_web.models import LogLevel, LogLine

KEPT: Final = 5_000
"""Lines that a log book remembers."""
_TIME: Final = "%Y-%m-%d %H:%M:%S"
_OWN: Final = ("event", "level", "timestamp", "cfd", "service", "node", "exception", "exc_info")
_LEVELS: Final = {level.value: level for level in LogLevel}


class LogBook:
    """The last lines of this process, for people who look through the API."""

    def __init__(self) -> None:
        self._lines: deque[tuple[str, LogLine]] = deque(maxlen=KEPT)
        self.last = 0
        """The newest line's number; 0: none yet."""

    def lines(self, node: str) -> Iterable[LogLine]:
        """Those of one node, oldest first."""
        return [line for name, line in tuple(self._lines) if name in ("", node)]

    def __call__(self, _logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor that lets everything pass."""
        self.last += 1
        more = "".join(f" {key}={value}" for key, value in fields.items() if key not in _OWN)
        line = LogLine(
            number=self.last,
            at=calendar.timegm(time.strptime(fields["timestamp"], _TIME)),
            level=_LEVELS.get(fields["level"], LogLevel.ERROR),
            text=f"{fields.get('event', '')}{more}",
            service=str(fields.get("service", "")),
            cfd=str(fields.get("cfd", "")),
        )
        self._lines.append((str(fields.get("node", "")), line))
        return fields


def _only(level: int) -> Any:
    """A processor that ends here with what is less than `level`."""

    def pass_on(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if logging.getLevelNamesMapping().get(str(fields["level"]).upper(), logging.ERROR) < level:
            raise structlog.DropEvent
        return fields

    return pass_on


_WORDS: Final = [
    # not the default: that prints every local variable of a traceback, and some of them are keys
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
]
_JSON: Final = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def configure_logs(level: int, stream: TextIO, book: LogBook | None = None, *, as_json: bool = False) -> None:
    """Write events of `level` and above to `stream`, `as_json` one object a line; those of INFO and above into `book`,
    whatever `level` is.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(_TIME, utc=True),
            *([book, _only(level)] if book is not None else []),
            *(_JSON if as_json else _WORDS),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level if book is None else min(level, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
    )
    # AsyncSSH logs text that peers chose
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
