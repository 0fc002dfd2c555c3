"""Rules of the demo go the way all rules go: one person drafts and submits, another approves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.identity import BusinessIdentity
from rules.document import document_from_json
from rules.gate import exercise_here
from rules.queries import draft_of, rule_sets
from rules.service import approve, create_rule_set, save_draft, submit

EDITOR = "Lin Yu"
APPROVER = "Chen Wei"
REASON = "The rules the demo begins with"


def publish_demo_rules(session: Session, entries: Sequence[dict[str, Any]]) -> None:
    """Publish each rule set that does not exist yet; one that exists belongs to its people and is left alone."""
    known = {(found.business, found.decision) for found in rule_sets(session)}
    for entry in entries:
        document = document_from_json(entry["document"])
        if (entry["business"], document.decision) in known:
            continue
        rule_set = create_rule_set(
            session, BusinessIdentity(entry["business"]), document.decision, document.name, EDITOR
        )
        draft = draft_of(session, rule_set.id)
        revision = 1 if draft is None else draft.revision
        saved = save_draft(session, rule_set.id, document, revision, EDITOR)
        # tried in this process: these rules come with the product, whose tests try them apart; a start should be quick
        submission = submit(session, rule_set.id, saved.revision, EDITOR, REASON, gate=exercise_here)
        approve(session, submission.id, APPROVER, REASON)
