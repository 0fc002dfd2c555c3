"""The demo beyond selling: price lists, segments, campaigns, codes, gift cards, points, consents, sellers' accounts.

Everything stands in `demo_data/features.yaml` and goes through the same steps as everything else. What is there already
belongs to its people and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue import StepContext, find_operation
from activities.following import follow_now
from activities.webhooks.queries import endpoints_of
from activities.webhooks.service import add_endpoint, change_endpoint
from capabilities.account.stored import card_reference
from capabilities.kernel.business import business_of
from capabilities.kernel.clock import now
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.money import Money
from capabilities.marketing.price_queries import price_lists_of
from capabilities.marketing.queries_campaigns import campaigns_named
from capabilities.marketing.queries_coupons import lots_page
from capabilities.settlement.models_payout import SellerAccountRow
from capabilities.settlement.queries_payout import closed_days
from capabilities.user.queries import segments_of
from workflows.worker import load_operations

ACTOR = "demo"
WHY = "What the demo begins with"


class Entering:
    """Enters what a file says of one line of business, by the steps of the catalogue."""

    def __init__(self, session: Session, business: str, content: dict[str, Any]) -> None:
        self.session = session
        self.business = business
        self.content = content
        self.currency = business_of(session, business).currency

    def enter(self) -> None:
        """Each kind in turn; who is in which segment is worked out at the end."""
        load_operations()
        kinds: dict[str, Callable[[Any], None]] = {
            "segments": self._segments,
            "price_lists": self._price_lists,
            "campaigns": self._campaigns,
            "lots": self._lots,
            "gift_cards": self._gift_cards,
            "points": self._points,
            "consents": self._consents,
            "destinations": self._destinations,
            "closed_days": self._closed_days,
            "webhook": self._webhook,
        }
        for kind, enter in kinds.items():
            if kind in self.content:
                enter(self.content[kind])

    def _step(self, name: str, key: str, request: dict[str, Any]) -> Any:
        found = find_operation(name)
        if found.run is None:
            raise ValueError(f"{name} calls outside; the demo does not")
        context = StepContext(
            run_id=f"demo/{self.business}",
            step=key,
            key=f"demo/{self.business}/{key}",
            identity=BusinessIdentity(self.business),
            actor=ACTOR,
            correlation_id="demo",
        )
        return found.run(self.session, context, found.request.model_validate(request))

    def _minor(self, written: str) -> int:
        return Money.of(written, self.currency).minor

    def _segments(self, entries: list[dict[str, Any]]) -> None:
        known = {segment.code for segment in segments_of(self.session, self.business)}
        new = [entry for entry in entries if entry["code"] not in known]
        for entry in new:
            about: dict[str, Any] = {"code": entry["code"], "name_en": entry["en"], "name_zh": entry["zh"]}
            about |= {"when": entry.get("when"), "needs_consent": entry.get("needs")}
            self._step("user.segment", f"segment/{entry['code']}", about)

    def _price_lists(self, entries: list[dict[str, Any]]) -> None:
        known = {listed.terms.code for listed in price_lists_of(self.session, self.business)}
        for entry in entries:
            if entry["code"] in known:
                continue
            terms: dict[str, Any] = {
                "code": entry["code"],
                "name_en": entry["en"],
                "name_zh": entry["zh"],
                "currency": self.currency,
                "priority": entry.get("priority", 0),
                "valid_from": now() + timedelta(days=entry["from_days"]) if "from_days" in entry else None,
                "valid_until": now() + timedelta(days=entry["until_days"]) if "until_days" in entry else None,
                **{name: entry[name] for name in ("channel", "tier", "segment") if name in entry},
            }
            self._step("marketing.save_price_list", f"list/{entry['code']}", {"terms": terms, "reason": WHY})
            prices = {"code": entry["code"], "prices": list(map(self._price, entry["prices"])), "reason": WHY}
            self._step("marketing.set_prices", f"prices/{entry['code']}", prices)

    def _price(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {
            "sku": entry["sku"],
            "from_quantity": entry.get("from", 1),
            "unit_price_minor": self._minor(entry["price"]),
            "floor_price_minor": self._minor(entry["floor"]) if "floor" in entry else None,
            "was_price_minor": self._minor(entry["was"]) if "was" in entry else None,
        }

    def _campaigns(self, entries: list[dict[str, Any]]) -> None:
        known = campaigns_named(self.session, self.business, [entry["id"] for entry in entries], now())
        for entry in entries:
            if entry["id"] in known:
                continue
            named = {"business": self.business, "campaign_id": entry["id"]}
            about = {
                "name_en": entry["en"],
                "name_zh": entry["zh"],
                "budgets": list(map(self._budget, entry["budgets"])),
            }
            self._step("marketing.create_campaign", f"campaign/{entry['id']}", named | about)
            self._step("marketing.change_campaign", f"start/{entry['id']}", named | {"act": "start", "reason": WHY})

    def _budget(self, entry: dict[str, Any]) -> dict[str, Any]:
        is_money = entry["counts"] == "spend"
        most = {"most": self._minor(entry["most"]), "currency": self.currency} if is_money else {"most": entry["uses"]}
        return {"counts": entry["counts"], **most} | {
            name: entry[name] for name in ("per", "period", "zone") if name in entry
        }

    def _lots(self, entries: list[dict[str, Any]]) -> None:
        known = {lot.opens for lot in lots_page(self.session, self.business, limit=100).lots}
        for entry in entries:
            if entry["opens"] in known:
                continue
            lot = {"business": self.business, "lot_id": entry["id"]}
            plan = {name: entry[name] for name in ("opens", "pattern", "codes")}
            self._step("marketing.open_lot", f"lot/{entry['id']}", lot | plan)
            self._step("marketing.make_codes", f"codes/{entry['id']}", lot)

    def _gift_cards(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            card = {
                "reference": card_reference(entry["code"]),
                "last4": entry["code"][-4:],
                "currency": self.currency,
                "amount_minor": self._minor(entry["amount"]),
                "buyer_id": entry.get("to"),
                "subject": "demo",
            }
            self._step("account.issue_gift_card", f"card/{entry['code'][-4:]}", card)

    def _points(self, granted: dict[str, int]) -> None:
        for buyer_id, points in granted.items():
            gift = {"buyer_id": buyer_id, "points": points, "currency": self.currency, "subject": "demo"}
            self._step("account.grant_points", f"points/{buyer_id}", gift)

    def _consents(self, entries: list[dict[str, Any]]) -> None:
        for buyer_id, purpose, is_given in _words(entries):
            said = {"buyer_id": buyer_id, "purpose": purpose, "is_given": is_given, "text_version": "2026-01"}
            self._step("user.consent", f"consent/{buyer_id}/{purpose}/{is_given}", said)

    def _destinations(self, accounts: dict[str, str]) -> None:
        known = set(
            self.session.scalars(
                select(SellerAccountRow.seller_id).where(
                    SellerAccountRow.business == self.business, SellerAccountRow.destination.is_not(None)
                )
            )
        )
        for seller_id, account in accounts.items():
            if seller_id not in known:
                where = {"seller_id": seller_id, "currency": self.currency, "destination": account}
                self._step("settlement.declare_destination", f"account/{seller_id}", where)

    def _closed_days(self, entries: list[dict[str, Any]]) -> None:
        if closed_days(self.session, self.business):
            return
        for entry in entries:
            day = (now() + timedelta(days=entry["in_days"])).date()
            self._step("settlement.close_day", f"closed/{entry['name']}", {"day": day, "name": entry["name"]})

    def _webhook(self, entry: dict[str, Any]) -> None:
        """Switched off: nothing is sent before somebody has put a real address there."""
        if endpoints_of(self.session, self.business):
            return
        endpoint = add_endpoint(
            self.session,
            self.business,
            entry["url"],
            entry["events"],
            actor=ACTOR,
            description="An example; switched off",
            look_up=lambda host, port: ["93.184.215.14"],  # noqa: ARG005 - the example's host exists nowhere
        )
        change_endpoint(self.session, self.business, endpoint.id, is_enabled=False)


def _words(entries: list[dict[str, Any]]) -> Iterator[tuple[str, str, bool]]:
    for entry in entries:
        for purpose in entry["purposes"]:
            yield entry["buyer"], purpose, True
        for purpose in entry.get("withdrawn", ()):
            yield entry["buyer"], purpose, False


def enter_features(session: Session, content: dict[str, dict[str, Any]]) -> None:
    """Enter what is not there yet, line of business by line of business; new segments have their buyers at once."""
    for business, features in content.items():
        before = {segment.code for segment in segments_of(session, business)}
        Entering(session, business, features).enter()
        if before != {segment.code for segment in segments_of(session, business)}:
            follow_now(session, business)
