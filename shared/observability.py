"""Structured logs for every service, and the families of failures that are logged and waited out."""

import logging
import sys

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from shared.settings import CommonSettings

BUS_FAILURES = (NatsError, APIError, TimeoutError, OSError)
"""What a call to the bus may raise when the server is away, busy or refuses."""


def configure_logging(settings: CommonSettings, service: str) -> None:
    """Log to standard error, one record a line; JSON where LOG_FORMAT says so."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
