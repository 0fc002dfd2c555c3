"""Writes of rules: drafts with optimistic concurrency, review by another person, immutable releases, what is live.

The rule set's row is the lock: submitting, approving and rolling back take it first, so that what is compared is what is
changed. Functions flush and never commit. Who may edit or approve at all is asked before; that nobody approves his own
work is asked here, admins included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.database import rows_changed
from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import new_id
from rules.check import Severity, check, problem_to_json
from rules.document import (
    Names,
    RuleSetDocument,
    content_sha256,
    document_from_json,
    document_to_json,
    release_id_of,
)
from rules.gate import GateReport, exercise_apart
from rules.models import (
    RuleAuditRow,
    RuleDraftRow,
    RulePublicationRow,
    RuleReleaseRow,
    RuleSetRow,
    RuleSubmissionRow,
)
from rules.queries import Draft, Release, RuleSet, Submission, draft_from_row, release_of, rule_set_of, submission_of
from rules.rebase import Conflict, three_way
from rules.vocabulary import decision_named

CHANNEL = "rules_published"
"""The channel on which a publish is announced, with the rule set's id; listeners only warm up."""

Gate = Callable[[RuleSetDocument], GateReport]


def create_rule_set(session: Session, identity: BusinessIdentity, decision: str, name: Names, actor: str) -> RuleSet:
    """A rule set without rules, and its first draft. One decision has one rule set for each identity."""
    declared = decision_named(decision)
    row = {
        "id": new_id("rs"),
        "business": identity.business,
        "scenario": identity.scenario or "",
        "decision": decision,
        "name_en": name.en,
        "name_zh": name.zh,
        "created_by": actor,
        "created_at": now(),
    }
    added = session.execute(insert(RuleSetRow).values(row).on_conflict_do_nothing().returning(RuleSetRow.id)).scalar()
    if added is None:
        raise ConflictError(
            "rules.rule_set_exists", f"{identity} has rules for {decision} already.", mend="Edit those."
        )
    rule_set = _locked(session, added)
    _record(session, rule_set, "created", actor, details={"decision": decision})
    _add_draft(session, rule_set, RuleSetDocument(decision, name, policy=declared.hit_policy), actor)
    return rule_set_of(session, added)


def open_draft(session: Session, rule_set_id: str, actor: str) -> Draft:
    """The open draft, or a new one with what is live."""
    rule_set = _locked(session, rule_set_id)
    row = session.get(RuleDraftRow, rule_set_id, populate_existing=True)
    return draft_from_row(row) if row is not None else _add_draft(session, rule_set, _live(session, rule_set), actor)


def save_draft(session: Session, rule_set_id: str, document: RuleSetDocument, base_revision: int, actor: str) -> Draft:
    """Save a change made on `base_revision`; somebody else's change in between raises `ConflictError`.

    A submission that waits is voided by a change: what is approved is what was submitted. Saving the same content
    changes nothing.
    """
    rule_set = _locked(session, rule_set_id)
    row = _draft(session, rule_set_id, base_revision)
    if document.decision != rule_set.decision:
        raise InvalidError(
            "rules.decision_fixed", f"This rule set decides {rule_set.decision}.", field="document.decision"
        )
    sha256 = content_sha256(document)
    if sha256 == row.content_sha256:
        return draft_from_row(row)
    row.document = document_to_json(document)
    row.content_sha256 = sha256
    row.revision += 1
    row.authors = [*row.authors, *({actor} - set(row.authors))]
    row.updated_by, row.updated_at = actor, now()
    rule_set.name_en, rule_set.name_zh = document.name.en or rule_set.name_en, document.name.zh or rule_set.name_zh
    session.flush()
    _void_waiting(session, rule_set, actor, "edited")
    return draft_from_row(row)


def discard(session: Session, rule_set_id: str, base_revision: int, actor: str, reason: str = "") -> None:
    """Throw the draft away; what is live stays."""
    rule_set = _locked(session, rule_set_id)
    row = _draft(session, rule_set_id, base_revision)
    _void_waiting(session, rule_set, actor, "discarded")
    _record(session, rule_set, "discarded", actor, reason, {"content_sha256": row.content_sha256})
    session.delete(row)
    session.flush()


def rebase(session: Session, rule_set_id: str, base_revision: int, actor: str) -> tuple[Draft, list[Conflict]]:
    """Bring what went live meanwhile into the draft. Where both changed a rule the draft's stays, and is reported."""
    rule_set = _locked(session, rule_set_id)
    row = _draft(session, rule_set_id, base_revision)
    mine = document_from_json(row.document)
    base = _document_of(session, row.based_on_release_id)
    merged, conflicts = three_way(base, mine, _live(session, rule_set))
    row.based_on_release_id = rule_set.live_release_id
    session.flush()
    _record(session, rule_set, "rebased", actor, details={"conflicts": [c.rule_id for c in conflicts]})
    return save_draft(session, rule_set_id, merged, base_revision, actor), conflicts


def submit(
    session: Session,
    rule_set_id: str,
    base_revision: int,
    actor: str,
    reason: str = "",
    *,
    gate: Gate = exercise_apart,
) -> Submission:
    """Send the draft to review, bound to its content and to the live release it was made from.

    Raises `InvalidError` when problems block, `ConflictError` when live has moved since. The release is built and
    exercised in a process of its own first.
    """
    document = document_from_json(_draft(session, rule_set_id, base_revision).document)
    blocking = [problem for problem in check(document) if problem.severity is Severity.BLOCK]
    if blocking:
        raise InvalidError(
            "rules.problems_block",
            blocking[0].en if len(blocking) == 1 else f"{len(blocking)} problems block: {blocking[0].en}",
            mend=blocking[0].mend_en,
            problems=[problem_to_json(problem) for problem in blocking],
        )
    report = gate(document)
    rule_set = _locked(session, rule_set_id)
    row = _draft(session, rule_set_id, base_revision)
    if row.based_on_release_id != rule_set.live_release_id:
        raise _live_moved(rule_set)
    if rule_set.live_release_id == release_id_of(document, rule_set_id):
        raise RefusedError("rules.nothing_changed", "The draft says exactly what is live.", mend="Change something.")
    _void_waiting(session, rule_set, actor, "submitted again")
    submission = RuleSubmissionRow(
        id=new_id("sub"),
        business=rule_set.business,
        rule_set_id=rule_set_id,
        draft_id=row.id,
        document=row.document,
        content_sha256=row.content_sha256,
        compared_with=rule_set.live_release_id,
        authors=[*row.authors, *({actor} - set(row.authors))],
        reason=reason,
        status="waiting",
        submitted_by=actor,
        submitted_at=now(),
    )
    session.add(submission)
    session.flush()
    details = {"submission_id": submission.id, "content_sha256": row.content_sha256, "exercised": report.as_json()}
    _record(session, rule_set, "submitted", actor, reason, details)
    return submission_of(session, submission.id)


def approve(session: Session, submission_id: str, actor: str, note: str = "") -> Release:
    """Approve and publish. Raises `RefusedError` for one's own work, `ConflictError` when decided, edited or moved."""
    submission, rule_set = _waiting(session, submission_id)
    if actor in submission.authors or actor == submission.submitted_by:
        raise RefusedError(
            "rules.own_submission",
            "Nobody approves what he wrote or submitted himself.",
            mend="Ask another approver of this line of business.",
        )
    if submission.compared_with != rule_set.live_release_id:
        raise _live_moved(rule_set)
    release_id = _add_release(session, rule_set, submission, actor)
    _decide(session, submission, "approved", actor, note, release_id=release_id)
    _go_live(session, rule_set, release_id, "publish", actor, note or submission.reason)
    session.execute(delete(RuleDraftRow).where(RuleDraftRow.rule_set_id == rule_set.id))
    _record(session, rule_set, "approved", actor, note, {"submission_id": submission_id, "release_id": release_id})
    return release_of(session, release_id)


def send_back(session: Session, submission_id: str, actor: str, note: str) -> Submission:
    """Send a submission back with what should change; the draft stays open."""
    submission, rule_set = _waiting(session, submission_id)
    _decide(session, submission, "sent_back", actor, note)
    _record(session, rule_set, "sent_back", actor, note, {"submission_id": submission_id})
    return submission_of(session, submission_id)


def roll_back(session: Session, rule_set_id: str, release_id: str, actor: str, reason: str = "") -> Release:
    """Make an earlier release live again: one person suffices, as that content was approved before."""
    rule_set = _locked(session, rule_set_id)
    release = release_of(session, release_id)
    if release.rule_set_id != rule_set_id:
        raise MissingError("rules.release_unknown", f"{release_id} is no release of this rule set.")
    if rule_set.live_release_id == release_id:
        raise ConflictError("rules.already_live", f"Release {release.number} is live already.")
    _void_waiting(session, rule_set, actor, "rolled back")
    _go_live(session, rule_set, release_id, "roll_back", actor, reason)
    _record(session, rule_set, "rolled_back", actor, reason, {"release_id": release_id})
    return release


# --- parts --------------------------------------------------------------------------------------------------------


def _locked(session: Session, rule_set_id: str) -> RuleSetRow:
    row = session.get(RuleSetRow, rule_set_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise MissingError("rules.rule_set_unknown", f"There is no rule set {rule_set_id}.")
    return row


def _draft(session: Session, rule_set_id: str, base_revision: int) -> RuleDraftRow:
    row = session.get(RuleDraftRow, rule_set_id, populate_existing=True)
    if row is None:
        raise MissingError("rules.draft_missing", "There is no open draft.", mend="Open one and make the change again.")
    if row.revision != base_revision:
        raise ConflictError(
            "rules.draft_moved",
            f"{row.updated_by} changed this draft meanwhile.",
            mend="Look at the newer version, then make the change again.",
            revision=row.revision,
            base_revision=base_revision,
            updated_by=row.updated_by,
            updated_at=row.updated_at.isoformat(),
        )
    return row


def _add_draft(session: Session, rule_set: RuleSetRow, document: RuleSetDocument, actor: str) -> Draft:
    at = now()
    row = RuleDraftRow(
        rule_set_id=rule_set.id,
        business=rule_set.business,
        id=new_id("draft"),
        revision=1,
        document=document_to_json(document),
        content_sha256=content_sha256(document),
        based_on_release_id=rule_set.live_release_id,
        authors=[],
        created_by=actor,
        created_at=at,
        updated_by=actor,
        updated_at=at,
    )
    session.add(row)
    session.flush()
    return draft_from_row(row)


def _live(session: Session, rule_set: RuleSetRow) -> RuleSetDocument:
    found = _document_of(session, rule_set.live_release_id)
    if found is not None:
        return found
    policy = decision_named(rule_set.decision).hit_policy
    return RuleSetDocument(rule_set.decision, Names(rule_set.name_en, rule_set.name_zh), policy=policy)


def _document_of(session: Session, release_id: str | None) -> RuleSetDocument | None:
    return None if release_id is None else release_of(session, release_id).document


def _waiting(session: Session, submission_id: str) -> tuple[RuleSubmissionRow, RuleSetRow]:
    rule_set_id = session.scalar(select(RuleSubmissionRow.rule_set_id).where(RuleSubmissionRow.id == submission_id))
    if rule_set_id is None:
        raise MissingError("rules.submission_unknown", f"There is no submission {submission_id}.")
    rule_set = _locked(session, rule_set_id)
    row = session.get_one(RuleSubmissionRow, submission_id, populate_existing=True)
    if row.status == "voided":
        raise ConflictError(
            "rules.submission_voided",
            f"This submission no longer stands: {row.decision_note}.",
            mend="Submit the draft again.",
        )
    if row.status != "waiting":
        raise ConflictError(
            "rules.already_decided", f"{row.decided_by} has decided this submission.", status=row.status
        )
    return row, rule_set


def _decide(
    session: Session, row: RuleSubmissionRow, status: str, actor: str, note: str, release_id: str | None = None
) -> None:
    decided = session.execute(
        update(RuleSubmissionRow)
        .where(RuleSubmissionRow.id == row.id, RuleSubmissionRow.status == "waiting")
        .values(status=status, decided_by=actor, decided_at=now(), decision_note=note, release_id=release_id)
    )
    if rows_changed(decided) != 1:
        raise ConflictError("rules.already_decided", "This submission has been decided meanwhile.")


def _void_waiting(session: Session, rule_set: RuleSetRow, actor: str, why: str) -> None:
    voided = session.execute(
        update(RuleSubmissionRow)
        .where(RuleSubmissionRow.rule_set_id == rule_set.id, RuleSubmissionRow.status == "waiting")
        .values(status="voided", decided_by=actor, decided_at=now(), decision_note=why)
        .returning(RuleSubmissionRow.id)
    ).scalar()
    if voided is not None:
        _record(session, rule_set, "voided", actor, why, {"submission_id": voided})


def _add_release(session: Session, rule_set: RuleSetRow, submission: RuleSubmissionRow, actor: str) -> str:
    """The release of this content; the earlier one where the same was published before."""
    release_id = release_id_of(document_from_json(submission.document), rule_set.id)
    last = session.scalar(select(func.max(RuleReleaseRow.number)).where(RuleReleaseRow.rule_set_id == rule_set.id))
    row = {
        "release_id": release_id,
        "business": rule_set.business,
        "rule_set_id": rule_set.id,
        "decision": rule_set.decision,
        "number": (last or 0) + 1,
        "document": submission.document,
        "content_sha256": submission.content_sha256,
        "submission_id": submission.id,
        "submitted_by": submission.submitted_by,
        "approved_by": actor,
        "created_at": now(),
    }
    session.execute(insert(RuleReleaseRow).values(row).on_conflict_do_nothing(index_elements=["release_id"]))
    return release_id


def _go_live(session: Session, rule_set: RuleSetRow, release_id: str, kind: str, actor: str, reason: str) -> None:
    previous = rule_set.live_release_id
    moved = session.execute(
        update(RuleSetRow)
        .where(RuleSetRow.id == rule_set.id, RuleSetRow.live_release_id.is_not_distinct_from(previous))
        .values(live_release_id=release_id)
    )
    if rows_changed(moved) != 1:
        raise _live_moved(rule_set)
    session.add(
        RulePublicationRow(
            business=rule_set.business,
            rule_set_id=rule_set.id,
            release_id=release_id,
            previous_release_id=previous,
            kind=kind,
            reason=reason,
            actor=actor,
            at=now(),
        )
    )
    session.flush()
    session.execute(select(func.pg_notify(CHANNEL, rule_set.id)))


def _live_moved(rule_set: RuleSetRow) -> ConflictError:
    return ConflictError(
        "rules.live_moved",
        "Another release went live since this draft was begun.",
        mend="Rebase the draft, look at the difference, and submit it again.",
        live_release_id=rule_set.live_release_id,
    )


def _record(
    session: Session,
    rule_set: RuleSetRow,
    action: str,
    actor: str,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    session.add(
        RuleAuditRow(
            business=rule_set.business,
            rule_set_id=rule_set.id,
            action=action,
            actor=actor,
            reason=reason,
            details=details or {},
            at=now(),
        )
    )
    session.flush()
