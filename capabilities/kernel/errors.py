"""The one family of errors.

Every error has a `code` (`capability.participle`), a `kind`, a sentence, and where it helps the way to mend it.
Two tables at the edges translate the kind: to an HTTP status (web) and to retryable or not (activities).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


class ErrorKind(StrEnum):
    """What an error means for the caller; nothing else may be concluded from an error's class."""

    MISSING = "missing"
    CONFLICT = "conflict"
    REFUSED = "refused"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class PlatformError(Exception):
    """Base of the family. `details` holds JSON values only: they travel to front-ends and into the journal."""

    kind: ClassVar[ErrorKind]

    def __init__(self, code: str, message: str, *, mend: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.mend = mend
        self.details = details

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON: code, kind, message, mend, details."""
        return {
            "code": self.code,
            "kind": self.kind.value,
            "message": self.message,
            "mend": self.mend,
            "details": self.details,
        }


class MissingError(PlatformError):
    """What was named does not exist, or not for this business."""

    kind = ErrorKind.MISSING


class ConflictError(PlatformError):
    """The state has moved, or the same key was used for something else."""

    kind = ErrorKind.CONFLICT


class RefusedError(PlatformError):
    """The business says no. An expected end, never retried."""

    kind = ErrorKind.REFUSED


class InvalidError(PlatformError):
    """The request cannot be meant; `details["field"]` names the place where there is one."""

    kind = ErrorKind.INVALID


class UnavailableError(PlatformError):
    """Something outside did not answer; the same request may succeed later."""

    kind = ErrorKind.UNAVAILABLE


FAMILY: dict[ErrorKind, type[PlatformError]] = {
    family.kind: family for family in (MissingError, ConflictError, RefusedError, InvalidError, UnavailableError)
}


def error_from_dict(error: dict[str, Any]) -> PlatformError:
    """The inverse of `PlatformError.as_dict`."""
    return FAMILY[ErrorKind(error["kind"])](
        error["code"], error["message"], mend=error.get("mend"), **error.get("details", {})
    )
