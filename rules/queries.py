"""Reads of rules. The live release is read by SQL each time it is asked for; content by its id is kept, as it never changes."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import Any

from sqlalchemy import ScalarSelect, Select, case, select, tuple_
from sqlalchemy.orm import Session

from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import BusinessIdentity
from rules.document import document_from_json
from rules.models import (
    RuleAuditRow,
    RuleDraftRow,
    RulePublicationRow,
    RuleReleaseRow,
    RuleSetRow,
    RuleSubmissionRow,
)
from rules.views import AuditEntry, Draft, LiveRelease, Publication, Release, RuleSet, Submission

__all__ = [
    "AuditEntry",
    "Draft",
    "LiveRelease",
    "Publication",
    "Release",
    "RuleSet",
    "Submission",
    "audit_of",
    "draft_from_row",
    "draft_of",
    "history_of",
    "live_release",
    "release_of",
    "release_to_decide",
    "releases_of",
    "rule_set_of",
    "rule_sets",
    "submission_from_row",
    "submission_of",
    "submissions",
    "submissions_of",
]

RELEASES_KEPT = 256


_kept: OrderedDict[str, LiveRelease] = OrderedDict()
_kept_lock = Lock()


def live_release(session: Session, decision: str, identity: BusinessIdentity) -> LiveRelease | None:
    """The release that decides for this identity now: scenario, else business, else platform; sets are never merged."""
    found = session.execute(_live(decision, identity)).one_or_none()
    if found is None or found.live_release_id is None:
        return None
    return _to_decide(session, found.live_release_id, found.id)


@lru_cache(maxsize=256)
def _live(decision: str, identity: BusinessIdentity) -> Select[str, str | None]:
    """The statement, made once for who asks: every checkout asks twice."""
    wanted = [(i.business, i.scenario or "") for i in identity.fallback()]
    nearest = case(
        *(((RuleSetRow.business == b) & (RuleSetRow.scenario == s), rank) for rank, (b, s) in enumerate(wanted))
    )
    return (
        select(RuleSetRow.id, RuleSetRow.live_release_id)
        .where(
            RuleSetRow.decision == decision,
            RuleSetRow.live_release_id.is_not(None),
            tuple_(RuleSetRow.business, RuleSetRow.scenario).in_(wanted),
        )
        .order_by(nearest)
        .limit(1)
    )


def live_release_id(decision: str, identity: BusinessIdentity) -> ScalarSelect[str | None]:
    """The id of the live release as a part of another statement, where a statement of its own would be one too many."""
    return _live(decision, identity).with_only_columns(RuleSetRow.live_release_id).scalar_subquery()


def release_to_decide(session: Session, release_id: str) -> LiveRelease:
    """A release by id, ready to decide: for repricing and explanations of what an old release did."""
    rule_set_id = session.scalar(select(RuleReleaseRow.rule_set_id).where(RuleReleaseRow.release_id == release_id))
    if rule_set_id is None:
        raise _no_release(release_id)
    return _to_decide(session, release_id, rule_set_id)


def _to_decide(session: Session, release_id: str, rule_set_id: str) -> LiveRelease:
    with _kept_lock:
        kept = _kept.get(release_id)
        if kept is not None:
            _kept.move_to_end(release_id)
            return kept
    found = session.execute(
        select(RuleReleaseRow.document, RuleReleaseRow.content_sha256).where(RuleReleaseRow.release_id == release_id)
    ).one_or_none()
    if found is None:
        raise _no_release(release_id)
    release = LiveRelease(release_id, rule_set_id, document_from_json(found.document), found.content_sha256)
    with _kept_lock:
        _kept[release_id] = release
        while len(_kept) > RELEASES_KEPT:
            _kept.popitem(last=False)
    return release


def _no_release(release_id: str) -> MissingError:
    return MissingError("rules.release_unknown", f"There is no release {release_id}.")


def _rule_sets() -> Select[*tuple[Any, ...]]:
    live_since = (
        select(RulePublicationRow.at)
        .where(RulePublicationRow.rule_set_id == RuleSetRow.id)
        .order_by(RulePublicationRow.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            RuleSetRow,
            RuleReleaseRow.number,
            live_since,
            RuleDraftRow.revision,
            RuleDraftRow.updated_at,
            RuleDraftRow.updated_by,
            RuleSubmissionRow.id,
        )
        .outerjoin(RuleReleaseRow, RuleReleaseRow.release_id == RuleSetRow.live_release_id)
        .outerjoin(RuleDraftRow, RuleDraftRow.rule_set_id == RuleSetRow.id)
        .outerjoin(
            RuleSubmissionRow,
            (RuleSubmissionRow.rule_set_id == RuleSetRow.id) & (RuleSubmissionRow.status == "waiting"),
        )
    )


def _rule_set(found: Any) -> RuleSet:
    row, number, since, revision, updated_at, updated_by, submission_id = found
    return RuleSet(
        row.id,
        row.business,
        row.scenario or None,
        row.decision,
        row.name_en,
        row.name_zh,
        row.live_release_id,
        number,
        since if row.live_release_id else None,
        revision,
        updated_at,
        updated_by,
        submission_id,
        row.created_at,
    )


def rule_sets(session: Session, business: str | None = None) -> list[RuleSet]:
    """The rule sets of a business (all businesses for None), by decision, then scenario."""
    wanted = _rule_sets().order_by(RuleSetRow.business, RuleSetRow.decision, RuleSetRow.scenario)
    if business is not None:
        wanted = wanted.where(RuleSetRow.business == business)
    return [_rule_set(found) for found in session.execute(wanted)]


def rule_set_of(session: Session, rule_set_id: str) -> RuleSet:
    """One rule set; `MissingError` where there is none."""
    found = session.execute(_rule_sets().where(RuleSetRow.id == rule_set_id)).one_or_none()
    if found is None:
        raise MissingError("rules.rule_set_unknown", f"There is no rule set {rule_set_id}.")
    return _rule_set(found)


def draft_of(session: Session, rule_set_id: str) -> Draft | None:
    """The open draft, None where nobody is changing anything."""
    row = session.get(RuleDraftRow, rule_set_id, populate_existing=True)
    return None if row is None else draft_from_row(row)


def draft_from_row(row: RuleDraftRow) -> Draft:
    """The draft as others see it."""
    return Draft(
        row.id,
        row.rule_set_id,
        row.business,
        row.revision,
        document_from_json(row.document),
        row.content_sha256,
        row.based_on_release_id,
        tuple(row.authors),
        row.updated_by,
        row.updated_at,
    )


def submission_of(session: Session, submission_id: str) -> Submission:
    """One submission; `MissingError` where there is none."""
    row = session.get(RuleSubmissionRow, submission_id, populate_existing=True)
    if row is None:
        raise MissingError("rules.submission_unknown", f"There is no submission {submission_id}.")
    return submission_from_row(row)


def submissions(
    session: Session, business: str | None = None, *, status: str | None = "waiting", limit: int = 100
) -> list[Submission]:
    """Submissions of a business (all for None) in one status (every one for None), newest first."""
    wanted = select(RuleSubmissionRow).order_by(RuleSubmissionRow.submitted_at.desc()).limit(limit)
    if business is not None:
        wanted = wanted.where(RuleSubmissionRow.business == business)
    if status is not None:
        wanted = wanted.where(RuleSubmissionRow.status == status)
    return [submission_from_row(row) for row in session.scalars(wanted)]


def submissions_of(session: Session, rule_set_id: str, *, limit: int = 100) -> list[Submission]:
    """The submissions of a rule set, newest first."""
    wanted = (
        select(RuleSubmissionRow)
        .where(RuleSubmissionRow.rule_set_id == rule_set_id)
        .order_by(RuleSubmissionRow.submitted_at.desc())
        .limit(limit)
    )
    return [submission_from_row(row) for row in session.scalars(wanted)]


def submission_from_row(row: RuleSubmissionRow) -> Submission:
    """The submission as others see it."""
    return Submission(
        row.id,
        row.rule_set_id,
        row.business,
        document_from_json(row.document),
        row.content_sha256,
        row.compared_with,
        tuple(row.authors),
        row.reason,
        row.status,
        row.submitted_by,
        row.submitted_at,
        row.decided_by,
        row.decided_at,
        row.decision_note,
        row.release_id,
    )


def release_of(session: Session, release_id: str) -> Release:
    """One release; `MissingError` where there is none."""
    row = session.get(RuleReleaseRow, release_id)
    if row is None:
        raise _no_release(release_id)
    return _release(row)


def releases_of(session: Session, rule_set_id: str, *, limit: int = 100) -> list[Release]:
    """The releases of a rule set, newest first."""
    wanted = (
        select(RuleReleaseRow)
        .where(RuleReleaseRow.rule_set_id == rule_set_id)
        .order_by(RuleReleaseRow.number.desc())
        .limit(limit)
    )
    return [_release(row) for row in session.scalars(wanted)]


def _release(row: RuleReleaseRow) -> Release:
    return Release(
        row.release_id,
        row.rule_set_id,
        row.business,
        row.number,
        document_from_json(row.document),
        row.content_sha256,
        row.submitted_by,
        row.approved_by,
        row.created_at,
    )


def history_of(session: Session, rule_set_id: str, *, limit: int = 100) -> list[Publication]:
    """What went live when, newest first; the first entry is what decides now."""
    wanted = (
        select(RulePublicationRow, RuleReleaseRow.number)
        .join(RuleReleaseRow, RuleReleaseRow.release_id == RulePublicationRow.release_id)
        .where(RulePublicationRow.rule_set_id == rule_set_id)
        .order_by(RulePublicationRow.sequence.desc())
        .limit(limit)
    )
    return [
        Publication(
            row.sequence, row.release_id, number, row.previous_release_id, row.kind, row.reason, row.actor, row.at
        )
        for row, number in session.execute(wanted)
    ]


def audit_of(session: Session, rule_set_id: str, *, limit: int = 200) -> list[AuditEntry]:
    """Who did what to a rule set, newest first."""
    wanted = (
        select(RuleAuditRow)
        .where(RuleAuditRow.rule_set_id == rule_set_id)
        .order_by(RuleAuditRow.sequence.desc())
        .limit(limit)
    )
    return [
        AuditEntry(row.sequence, row.rule_set_id, row.action, row.actor, row.reason, row.details, row.at)
        for row in session.scalars(wanted)
    ]
