"""Structured log lines on standard error, ours and the libraries' in one shape.

What must not be logged (secrets, client addresses, audio) is not handed to the logger. The one library that would do so
is silenced here.
"""

import logging
import sys
from typing import Literal

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, Processor, WrappedLogger


def configure_logging(level: str, format: Literal["console", "json"], **bound: str) -> None:
    """Set up logging for this process; call it once, before the first line.

    Args:
        level: least severe level that is written: debug, info, warning or error. Libraries log from warning up.
        format: `console` for people, `json` for collectors: one object per line.
        bound: fields added to every line, such as role="relay".

    Raises:
        ValueError: no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level {level!r} is not one of debug, info, warning, error")
    shared: list[Processor] = [
        _binder(bound),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        # Not by way of the libraries' logging, which makes a record of each line: 38 us and not 13.
        processors=[*shared, *_renderers(format)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for library in ("aiohttp", "asyncio", "grpc"):
        logging.getLogger(library).setLevel(max(number, logging.WARNING))
    logging.getLogger("aiohttp.server").addFilter(_without_client)


def _without_client(record: logging.LogRecord) -> bool:
    """Drops aiohttp's word on requests that are no HTTP, and takes the client's address out of what else it says.

    Such a request is anybody's, and its fault quotes the line that is wrong, which may hold a key.
    """
    fault = record.exc_info[1] if record.exc_info else None
    if isinstance(fault, HttpProcessingError):
        return False
    record.msg, record.args = "an HTTP request failed", ()
    return True


def _binder(bound: dict[str, str]) -> Processor:
    def add_bound(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {**bound, **event}

    return add_bound


def _renderers(format: Literal["console", "json"]) -> list[Processor]:
    if format == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    # Plain tracebacks: the rich ones print local variables, and those may be secrets.
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]
