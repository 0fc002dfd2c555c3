"""What belongs to whom: a key sees its own business and nothing else, not even that something else exists."""

from __future__ import annotations

import re

from capabilities.kernel.errors import InvalidError, MissingError
from web.api.keys import Client

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def own_business(client: Client, named: str | None) -> str:
    """The business of the key; a request that names another one cannot be meant."""
    if named not in (None, client.business):
        raise InvalidError(
            "api.business_other",
            f"This key belongs to {client.business}, the request names {named}.",
            mend="Leave `business` out, or use that business's key.",
            field="body.business",
        )
    return client.business


def own_id(client: Client, kind: str, text: str) -> str:
    """An id as it came in a path; what cannot be an id is missing like any other."""
    if not _ID.fullmatch(text):
        raise missing(client, kind, text)
    return text


def missing(client: Client, kind: str, text: str) -> MissingError:
    """The one answer for what does not exist and for what belongs to somebody else."""
    return MissingError(f"{kind}.unknown", f"{client.business} has no {kind} {text[:64]!r}.")
