"""Logs of the web: one line of JSON an event, on standard error, unless whoever starts us has arranged otherwise."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs() -> None:
    """Set structlog up once a process; secrets and bodies are never given to it."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
