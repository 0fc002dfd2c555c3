"""Operations of reconciliation: statements taken in, compared with our acts, mistakes worked off by people."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from activities.settlement_requests import (
    ImportRequest,
    ImportResponse,
    NoteRequest,
    ReconcileRequest,
    ReconcileResponse,
    ResolveRequest,
    RowResponse,
    TakeRequest,
)
from capabilities.kernel.ids import derived_id
from capabilities.payment.acts import KnownAct, acts_of_provider
from capabilities.payment.extensions import provider_fee
from capabilities.settlement import service_reconciliation as service
from capabilities.settlement.contract import ImportFile, ReconRow, ResolveMistake, Side, StandingRow
from capabilities.settlement.queries_reconciliation import newest_platform_row, open_keys, recon_counts

LATE_BY = timedelta(days=7)
"""How long after an act something about it may still be recorded without anybody having asked."""


@operation("settlement.import_statement", en="Take in a statement", zh="导入对账文件")
def import_statement(session: Session, context: StepContext, request: ImportRequest) -> ImportResponse:
    """Take in a statement of the provider or the bank; the same content a second time changes nothing."""
    asked = ImportFile(business=context.identity.business, **request.model_dump())
    file, is_new = service.import_file(session, asked, by=context.actor)
    return ImportResponse(file_id=file.id, rows=file.rows, is_new=is_new)


@operation("settlement.reconcile", en="Reconcile", zh="对账")
def reconcile(session: Session, context: StepContext, request: ReconcileRequest) -> ReconcileResponse:
    """Compare our acts with the provider's statements, and those with the bank's credits."""
    business = context.identity.business
    newest = newest_platform_row(session, business, request.provider)
    acts = acts_of_provider(
        session,
        business,
        request.provider,
        since=None if newest is None else newest - LATE_BY,
        references=open_keys(session, business, request.provider),
    )
    rows = [
        ReconRow(
            id=derived_id("rcr", business, request.provider, act.kind, act.reference),
            side=Side.PLATFORM,
            key=f"act:{act.kind}:{act.reference}",
            kind=act.kind,
            amount_minor=act.amount_minor,
            fee_minor=_expected_fee(context, request.provider, act),
            currency=act.currency,
            status=act.status,
            occurred_at=act.occurred_at,
            order_id=act.order_id,
        )
        for act in acts
    ]
    done = service.reconcile(session, business, request.provider, rows)
    counts = recon_counts(session, business, provider=request.provider)
    return ReconcileResponse(
        business=business,
        matched=counts.matched,
        parked=counts.parked,
        mistakes=sum(counts.mistakes.values()),
        moved=done.moved,
        credited=done.credited,
    )


def _expected_fee(context: StepContext, provider: str, act: KnownAct) -> int | None:
    """What the provider is to take for an act that is done; None where its schedule is not known here."""
    if act.status != "succeeded":
        return None
    expected = provider_fee.for_identity(context.identity)
    return expected(provider, act.kind, abs(act.amount_minor), act.currency)


@operation("settlement.take_mistake", en="Take a mistake", zh="领取差错")
def take_mistake(session: Session, context: StepContext, request: TakeRequest) -> RowResponse:
    """Who acts works on it from now on."""
    return _told(service.take(session, context.identity.business, request.row_id, by=context.actor))


@operation("settlement.note_mistake", en="Note about a mistake", zh="差错备注")
def note_mistake(session: Session, context: StepContext, request: NoteRequest) -> RowResponse:
    """Write down what was found out."""
    return _told(service.note(session, context.identity.business, request.row_id, request.note))


@operation("settlement.resolve_mistake", en="Resolve a mistake", zh="处理差错")
def resolve_mistake(session: Session, context: StepContext, request: ResolveRequest) -> RowResponse:
    """Close a mistake with a reason; much money is let go by two people, of whom the second confirms."""
    asked = ResolveMistake(**request.model_dump())
    return _told(service.resolve(session, context.identity.business, asked, by=context.actor))


def _told(found: StandingRow) -> RowResponse:
    is_resolved = found.resolved_at is not None
    is_accepted = is_resolved and found.resolution == "accept_difference"
    return RowResponse(
        row_id=found.row.id,
        business=found.business,
        currency=found.row.currency,
        state="resolved" if is_resolved else "open" if found.proposed_by is None else "awaiting",
        write_off_minor=-found.difference_minor if is_accepted else 0,
    )
