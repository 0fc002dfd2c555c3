"""What can be done to a customer: suspended, restored, given a tier, asked for consent, erased."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.orm import Session

from capabilities.kernel.errors import ConflictError, InvalidError, MissingError
from capabilities.transaction.buyer_history import open_matters
from capabilities.user.contract import Buyer, BuyerStatus, Purpose, Tier
from capabilities.user.queries import buyer_of
from web.access.permissions import Action
from web.console.acts import ActPage, Preview, input_of, reason_field, words
from web.console.badges import badge_of
from web.console.customers import PURPOSES
from web.console.doing import Act, Given, do, look_at
from web.console.edge import ConsoleRoute
from web.console.formats import money
from web.console.rule_input import read_moment
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


class CustomerAct(Act[Buyer]):
    """An act on a customer of this business."""

    word = ""
    heading = ""

    def find(self, session: Session, visit: Visit, subject_id: str) -> Buyer:
        return buyer_of(session, visit.business.business, subject_id)

    def frame(self, session: Session, visit: Visit, subject: Buyer, given: Given) -> ActPage:  # noqa: ARG002
        href = f"{visit.path}/customers/{subject.id}"
        return ActPage(
            heading=words(visit, self.heading, name=called(subject)),
            crumbs=((words(visit, N_("Customers")), f"{visit.path}/customers"), (called(subject), href)),
            href=f"{href}/acts/{self.word}",
            back=href,
            blocked=self.blocked(visit, subject),
            fields=self.choices(visit, subject, given),
        )

    def blocked(self, visit: Visit, subject: Buyer) -> str:
        """Why it cannot be done now; empty where it can."""
        if subject.status is BuyerStatus.ERASED:
            return words(visit, N_("This customer's data are erased; nothing is left to act on."))
        return ""

    def choices(self, visit: Visit, subject: Buyer, given: Given) -> tuple[Any, ...]:  # noqa: ARG002
        """What can be chosen before looking."""
        return ()


class SuspendAct(CustomerAct):
    """No further checkout."""

    process, word, heading = "suspend_buyer", "suspend", N_("Suspend %(name)s")

    def blocked(self, visit: Visit, subject: Buyer) -> str:
        if subject.status is BuyerStatus.SUSPENDED:
            return words(visit, N_("This customer is suspended already."))
        return super().blocked(visit, subject)

    def preview(self, session: Session, visit: Visit, subject: Buyer, given: Given) -> Preview | None:
        matters = open_matters(session, subject.business, subject.id)
        return Preview(
            sentence=words(
                visit,
                N_("Suspend %(name)s: every new checkout is refused. What is open goes on to its end (%(open)s open)."),
                name=called(subject),
                open=len(matters),
            ),
            button=words(visit, N_("Suspend")),
            fields=(reason_field(visit, given.get("reason", "")),),
            is_dangerous=True,
        )

    def body(self, session: Session, visit: Visit, subject: Buyer, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        return {"buyer_id": subject.id, "reason": reason}


class RestoreAct(CustomerAct):
    """May buy again."""

    process, word, heading = "restore_buyer", "restore", N_("Restore %(name)s")

    def blocked(self, visit: Visit, subject: Buyer) -> str:
        if subject.status is BuyerStatus.ACTIVE:
            return words(visit, N_("This customer is not suspended."))
        return super().blocked(visit, subject)

    def preview(self, session: Session, visit: Visit, subject: Buyer, given: Given) -> Preview | None:  # noqa: ARG002
        return Preview(
            sentence=words(visit, N_("Restore %(name)s: checkouts are accepted again."), name=called(subject)),
            facts=((words(visit, N_("Suspended because")), subject.status_reason or "–"),),
            button=words(visit, N_("Restore")),
            fields=(reason_field(visit, given.get("reason", "")),),
        )

    def body(self, session: Session, visit: Visit, subject: Buyer, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        return {"buyer_id": subject.id, "reason": reason}


class TierAct(CustomerAct):
    """A person's word goes before the rules, as long as it lasts."""

    process, word, heading = "set_tier", "tier", N_("Set the tier of %(name)s")

    def choices(self, visit: Visit, subject: Buyer, given: Given) -> tuple[Any, ...]:
        tiers = tuple((one.value, words(visit, badge_of("tier", one.value).word)) for one in Tier)
        return (
            input_of(
                "tier",
                words(visit, N_("Tier")),
                given.get("tier", subject.tier.value),
                control="select",
                choices=(*tiers, ("earned", words(visit, N_("what the rules say")))),
            ),
            input_of(
                "until",
                words(visit, N_("Until the end of")),
                given.get("until", ""),
                control="date",
                optional=True,
                help_text=words(visit, N_("Left blank: until somebody ends it.")),
            ),
        )

    def preview(self, session: Session, visit: Visit, subject: Buyer, given: Given) -> Preview | None:  # noqa: ARG002
        tier = self._tier(given, subject)
        read_moment(given.get("until", ""), visit.business.zone, field="until")
        earned = words(visit, badge_of("tier", subject.earned_tier.value).word)
        if tier is None:
            said = words(
                visit,
                N_("End what a person set for %(name)s: the tier is what the rules say, %(tier)s."),
                name=called(subject),
                tier=earned,
            )
        else:
            said = words(
                visit,
                N_(
                    "Set %(name)s to %(tier)s (the rules say %(earned)s). Prices and refunds ask for the tier from now on."
                ),
                name=called(subject),
                tier=words(visit, badge_of("tier", tier.value).word),
                earned=earned,
            )
        return Preview(
            sentence=said,
            button=words(visit, N_("Set the tier")),
            frozen=(("tier", tier.value if tier else "earned"), ("until", given.get("until", ""))),
            fields=(reason_field(visit, given.get("reason", "")),),
        )

    def body(self, session: Session, visit: Visit, subject: Buyer, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        until = read_moment(given.get("until", ""), visit.business.zone, field="until")
        tier = self._tier(given, subject)
        return {
            "buyer_id": subject.id,
            "tier": tier.value if tier else None,
            "until": (until + timedelta(days=1)).isoformat() if until and tier else None,
            "reason": reason,
        }

    def _tier(self, given: Given, subject: Buyer) -> Tier | None:
        chosen = given.get("tier", subject.tier.value)
        if chosen == "earned":
            return None
        if chosen not in Tier.__members__.values():
            raise InvalidError("console.tier_unknown", N_("Choose a tier."), field="tier")
        return Tier(chosen)


class ConsentAct(CustomerAct):
    """What the buyer said, written down for good."""

    process, word, heading = "record_consent", "consent", N_("Record a consent of %(name)s")
    needs_reason = False

    def choices(self, visit: Visit, subject: Buyer, given: Given) -> tuple[Any, ...]:  # noqa: ARG002
        return (
            input_of(
                "purpose",
                words(visit, N_("Purpose")),
                given.get("purpose", Purpose.MARKETING.value),
                control="select",
                choices=tuple((one.value, words(visit, PURPOSES[one])) for one in Purpose),
            ),
            input_of(
                "given",
                words(visit, N_("The buyer")),
                given.get("given", "yes"),
                control="select",
                choices=(("yes", words(visit, N_("agrees"))), ("no", words(visit, N_("withdraws")))),
            ),
        )

    def preview(self, session: Session, visit: Visit, subject: Buyer, given: Given) -> Preview | None:  # noqa: ARG002
        purpose, is_given = self._chosen(given)
        text = (
            N_("Record that %(name)s agrees to %(purpose)s.")
            if is_given
            else N_("Record that %(name)s withdraws from %(purpose)s.")
        )
        return Preview(
            sentence=words(visit, text, name=called(subject), purpose=words(visit, PURPOSES[purpose])),
            button=words(visit, N_("Record it")),
            note=words(visit, N_("It is kept for good as the proof of what was said; a later word counts instead.")),
            frozen=(("purpose", purpose.value), ("given", "yes" if is_given else "no")),
            fields=(
                input_of(
                    "text_version",
                    words(visit, N_("Text the buyer was shown")),
                    given.get("text_version", ""),
                    help_text=words(visit, N_("Its version, such as privacy-2026-11.")),
                ),
                input_of("channel", words(visit, N_("How it was said")), given.get("channel", "phone")),
            ),
        )

    def body(self, session: Session, visit: Visit, subject: Buyer, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        purpose, is_given = self._chosen(given)
        if not given.get("text_version"):
            raise InvalidError("console.text_missing", N_("Say which text the buyer was shown."), field="text_version")
        return {
            "buyer_id": subject.id,
            "purpose": purpose.value,
            "is_given": is_given,
            "text_version": given["text_version"][:100],
            "channel": given.get("channel", "phone")[:40],
        }

    def _chosen(self, given: Given) -> tuple[Purpose, bool]:
        purpose = given.get("purpose", Purpose.MARKETING.value)
        if purpose not in Purpose.__members__.values():
            raise InvalidError("console.purpose_unknown", N_("Choose a purpose."), field="purpose")
        return Purpose(purpose), given.get("given", "yes") == "yes"


class EraseAct(CustomerAct):
    """What is personal goes for good; another person agrees first. Refused while anything is open."""

    process, word, heading = "erase_buyer", "erase", N_("Erase the data of %(name)s")

    def preview(self, session: Session, visit: Visit, subject: Buyer, given: Given) -> Preview | None:
        matters = open_matters(session, subject.business, subject.id)
        if matters:
            raise ConflictError(
                "user.erasure_too_early",
                words(
                    visit,
                    N_("Something of this customer is still open: %(open)s."),
                    open=", ".join(
                        f"{one.number} ({words(visit, badge_of(one.kind, one.status).word)})" for one in matters[:10]
                    ),
                ),
                mend=words(visit, N_("Complete or cancel it first, then erase the data.")),
            )
        value = money(subject.lifetime_value_minor, visit.business.currency)
        return Preview(
            sentence=words(
                visit,
                N_(
                    "Erase the personal data of %(name)s for good: %(orders)s orders of %(money)s in all stay in the books without them. This cannot be undone."
                ),
                name=called(subject),
                orders=subject.order_count,
                money=value,
            ),
            button=words(visit, N_("Ask to erase the data")),
            lists=(
                (
                    words(visit, N_("What goes")),
                    (
                        words(visit, N_("name, e-mail, birthday, tags, segments, reasons of tiers")),
                        words(visit, N_("addresses and notes on orders, in quotes, processes, events and messages")),
                    ),
                ),
                (
                    words(visit, N_("What stays")),
                    (
                        words(visit, N_("orders, payments and the ledger with an id that tells nobody's name")),
                        words(visit, N_("points, wallet and gift cards under that id")),
                        words(visit, N_("words of consent, as the proof of what was agreed to")),
                    ),
                ),
            ),
            note=words(visit, N_("Another person has to agree before anything is erased.")),
            fields=(
                reason_field(visit, given.get("reason", ""), help_text=words(visit, N_("Who asked for it, or why."))),
            ),
            is_dangerous=True,
        )

    def body(self, session: Session, visit: Visit, subject: Buyer, given: Given, reason: str) -> dict[str, Any]:  # noqa: ARG002
        return {"buyer_id": subject.id, "reason": reason}


ACTS: dict[str, Act[Buyer]] = {one.word: one for one in (SuspendAct(), RestoreAct(), TierAct(), ConsentAct())}
ERASE = EraseAct()


def called(buyer: Buyer) -> str:
    """How a customer is named: who may act on them sees the name; one without a name goes by the id."""
    return buyer.name or buyer.id


@router.get("/console/{business}/customers/{buyer_id}/acts/erase", name="erase_act")
def look_at_erase(visit: Annotated[Visit, Depends(Needs(Action.ERASE_CUSTOMERS))], buyer_id: str) -> Response:
    return look_at(visit, ERASE, buyer_id)


@router.post("/console/{business}/customers/{buyer_id}/acts/erase", name="erase_customer")
async def erase(visit: Annotated[Visit, Depends(Needs(Action.ERASE_CUSTOMERS))], buyer_id: str) -> Response:
    return await do(visit, ERASE, buyer_id)


@router.get("/console/{business}/customers/{buyer_id}/acts/{act}", name="customer_act")
def look(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_CUSTOMERS))], buyer_id: str, act: str) -> Response:
    return look_at(visit, _named(act), buyer_id)


@router.post("/console/{business}/customers/{buyer_id}/acts/{act}", name="do_customer_act")
async def act_on(visit: Annotated[Visit, Depends(Needs(Action.CHANGE_CUSTOMERS))], buyer_id: str, act: str) -> Response:
    return await do(visit, await run_in_threadpool(_named, act), buyer_id)


def _named(act: str) -> Act[Buyer]:
    found = ACTS.get(act)
    if found is None:
        raise MissingError("console.act_unknown", f"There is no act {act!r} on a customer.")
    return found
