"""Writes of users: segments, who is on their lists, and what that makes of a buyer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError
from capabilities.kernel.expression import condition_from_json, holds
from capabilities.kernel.outbox import publish
from capabilities.user.contract import BuyerStatus, ChangedMembers, ChangeMembers, DefineSegment, Purpose
from capabilities.user.models import BuyerRow, SegmentMemberRow, SegmentRow
from capabilities.user.queries import consents_of


def define_segment(session: Session, request: DefineSegment) -> bool:
    """Enter or change a segment; whether it is another than before. Buyers who already carry its name go on its list."""
    known = session.get(SegmentRow, (request.business, request.code), populate_existing=True, with_for_update=True)
    about: dict[str, Any] = {
        "name_en": request.name_en,
        "name_zh": request.name_zh,
        "condition": request.when,
        "needs_consent": None if request.needs_consent is None else request.needs_consent.value,
        "is_active": request.is_active,
    }
    if known is not None and all(getattr(known, name) == value for name, value in about.items()):
        return False
    about |= {"changed_at": now(), "changed_by": request.actor}
    session.execute(
        insert(SegmentRow)
        .values(business=request.business, code=request.code, **about)
        .on_conflict_do_update(index_elements=[SegmentRow.business, SegmentRow.code], set_=about)
    )
    if known is None and request.when is None:
        carrying = select(BuyerRow.id).where(
            BuyerRow.business == request.business, BuyerRow.segments.contains([request.code])
        )
        _enter(session, request.business, request.code, session.scalars(carrying).all(), request.actor)
    publish_segment(session, request.business, request.code)
    session.expire_all()
    return True


def publish_segment(session: Session, business: str, code: str) -> None:
    """Tell that buyers have to be worked out anew for this segment."""
    publish(session, business=business, type="buyer.segment_changed", subject=code, data={"segment": code})


def change_members(session: Session, request: ChangeMembers) -> ChangedMembers:
    """Put buyers on the list of a segment and take others off; who asks sees to what they carry.

    `ConflictError` where the members of the segment come and go by a condition.
    """
    segment = session.get(SegmentRow, (request.business, request.code), populate_existing=True, with_for_update=True)
    if segment is None:
        raise MissingError("user.segment_unknown", f"There is no segment {request.code!r}.", segment=request.code)
    if segment.condition is not None:
        raise ConflictError(
            "user.segment_has_condition",
            f"The buyers of {request.code!r} come and go by its condition.",
            mend="Change the condition, or keep a list in a segment without one.",
            segment=request.code,
        )
    wanted = {*request.add, *request.remove}
    of_them = select(BuyerRow.id).where(BuyerRow.business == request.business, BuyerRow.id.in_(wanted))
    known = set(session.scalars(of_them.where(BuyerRow.status != BuyerStatus.ERASED.value)))
    removing = known & set(request.remove)
    added = _enter(session, request.business, request.code, (known & set(request.add)) - removing, request.actor)
    removed = session.scalars(
        delete(SegmentMemberRow)
        .where(
            SegmentMemberRow.business == request.business,
            SegmentMemberRow.code == request.code,
            SegmentMemberRow.buyer_id.in_(removing),
        )
        .returning(SegmentMemberRow.buyer_id)
    ).all()
    return ChangedMembers(
        code=request.code, added=len(added), removed=len(removed), unknown=tuple(sorted(wanted - known))
    )


def _enter(session: Session, business: str, code: str, buyer_ids: Iterable[str], actor: str) -> list[str]:
    rows = [
        {"business": business, "code": code, "buyer_id": buyer_id, "added_at": now(), "added_by": actor}
        for buyer_id in sorted(buyer_ids)
    ]
    if not rows:
        return []
    entered = insert(SegmentMemberRow).values(rows).on_conflict_do_nothing().returning(SegmentMemberRow.buyer_id)
    return list(session.scalars(entered))


def refresh_segments(session: Session, row: BuyerRow, facts: Mapping[str, Any]) -> bool:
    """What a buyer (whose row is locked) carries, by the conditions and lists of now; whether it changed.

    Labels that are no segment's name came with the enrolment and stay.
    """
    defined = session.scalars(select(SegmentRow).where(SegmentRow.business == row.business)).all()
    if not defined:
        return False
    on_list = set(
        session.scalars(
            select(SegmentMemberRow.code).where(
                SegmentMemberRow.business == row.business, SegmentMemberRow.buyer_id == row.id
            )
        )
    )
    agreed: set[Purpose] | None = None
    carried = {label for label in row.segments if label not in {segment.code for segment in defined}}
    for segment in defined:
        if not segment.is_active:
            continue
        if segment.condition is None:
            is_in = segment.code in on_list
        else:
            is_in = holds(condition_from_json(segment.condition), facts)
        if is_in and segment.needs_consent is not None:
            if agreed is None:
                said = consents_of(session, row.business, row.id)
                agreed = {purpose for purpose, consent in said.items() if consent.is_given}
            is_in = Purpose(segment.needs_consent) in agreed
        if is_in:
            carried.add(segment.code)
    if carried == set(row.segments):
        return False
    row.segments = sorted(carried)
    session.flush()
    return True
