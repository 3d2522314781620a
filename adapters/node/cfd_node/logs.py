"""What the nodes log: one line per event, and tracebacks that show code but never the values in it."""

import logging
from typing import TextIO

import structlog


def configure_logs(level: int, stream: TextIO) -> None:
    """Write events of `level` and above to `stream`."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S", utc=True),
            # not the default: that prints every local variable of a traceback, and some of them are keys
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=stream),
    )
    # AsyncSSH logs text that peers chose
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
