"""A definition as runs keep it: frozen text and its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workflows.language.definition import Definition
from workflows.language.reading import read_definition


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`body` is the text a run carries, `sha256` the hash of that text."""

    sha256: str
    body: str
    definition: Definition


def snapshot(body: dict[str, Any]) -> Snapshot:
    """Read the definition and freeze its text."""
    return snapshot_of_text(json.dumps(body, separators=(",", ":"), ensure_ascii=False))


@lru_cache(maxsize=256)
def snapshot_of_text(text: str) -> Snapshot:
    """The snapshot of a text that was frozen before; read once a process."""
    return Snapshot(hashlib.sha256(text.encode()).hexdigest(), text, read_definition(json.loads(text)))
