"""Rules as others see them: rule sets, drafts, submissions, releases, and the release that decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capabilities.kernel.identity import BusinessIdentity
from rules.deciding import matcher_of
from rules.document import RuleSetDocument, content_sha256, release_id_of
from rules.matching import CompiledRelease


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """A release ready to decide. `compiled` is shared by everything in this process that has the same content."""

    release_id: str
    rule_set_id: str
    document: RuleSetDocument
    content_sha256: str

    @classmethod
    def of(cls, document: RuleSetDocument, rule_set_id: str = "") -> LiveRelease:
        """A document as if it were released: for evaluation of files, drafts and simulations."""
        return cls(release_id_of(document, rule_set_id), rule_set_id, document, content_sha256(document))

    @property
    def compiled(self) -> CompiledRelease:
        return matcher_of(self.document, self.content_sha256)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A rule set as lists show it."""

    id: str
    business: str
    scenario: str | None
    decision: str
    name_en: str
    name_zh: str
    live_release_id: str | None
    live_number: int | None
    live_since: datetime | None
    draft_revision: int | None
    draft_updated_at: datetime | None
    draft_updated_by: str | None
    waiting_submission_id: str | None
    created_at: datetime

    @property
    def identity(self) -> BusinessIdentity:
        return BusinessIdentity(self.business, self.scenario)


@dataclass(frozen=True, slots=True)
class Draft:
    """The open draft of a rule set. Saving wants `revision` as its base."""

    id: str
    rule_set_id: str
    business: str
    revision: int
    document: RuleSetDocument
    content_sha256: str
    based_on_release_id: str | None
    authors: tuple[str, ...]
    updated_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Submission:
    """A submitted draft: `waiting`, `approved`, `sent_back`, or `voided` by a later edit or a moved live release."""

    id: str
    rule_set_id: str
    business: str
    document: RuleSetDocument
    content_sha256: str
    compared_with: str | None
    authors: tuple[str, ...]
    reason: str
    status: str
    submitted_by: str
    submitted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_note: str | None
    release_id: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """A release with who made it. `number` counts within its rule set."""

    release_id: str
    rule_set_id: str
    business: str
    number: int
    document: RuleSetDocument
    content_sha256: str
    submitted_by: str
    approved_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Publication:
    """One entry of a rule set's timeline: a release went live, by publishing or by rolling back."""

    sequence: int
    release_id: str
    number: int
    previous_release_id: str | None
    kind: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when and why."""

    sequence: int
    rule_set_id: str
    action: str
    actor: str
    reason: str
    details: dict[str, Any]
    at: datetime
