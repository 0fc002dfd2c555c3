"""What every template keeps to: nothing inline, nothing marked safe, every text in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from web.console.badges import BADGES, Look, badge_of

WEB = Path(__file__).parents[3] / "web"
TEMPLATES = sorted((WEB / "templates" / "console").rglob("*.html"))
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>"),
    "a style element": re.compile(r"<style\b"),
    "a style attribute": re.compile(r"\sstyle\s*="),
    "an event attribute": re.compile(r"\son[a-z]+\s*="),
    "hx-on": re.compile(r"hx-on\b"),
    "hx-confirm": re.compile(r"hx-confirm"),
    "hx-boost": re.compile(r"hx-boost"),
    "a trigger filter": re.compile(r'hx-trigger="[^"]*\['),
    "js: values": re.compile(r"[\"']js:"),
    "|safe": re.compile(r"\|\s*safe\b"),
    "autoescape off": re.compile(r"autoescape\s+false"),
    "an address elsewhere": re.compile(r"""(src|href|action)=["']https?://"""),
    "a form the browser checks itself": re.compile(r"<form(?![^>]*\bnovalidate)[^>]*>"),
}


def test_there_are_templates():
    assert len(TEMPLATES) > 20


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_holds_nothing_the_policy_forbids(template):
    text = template.read_text()
    found = [name for name, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert found == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_changing_form_carries_the_token(template):
    for form in re.findall(r'<form[^>]*method="post".*?</form>', template.read_text(), re.DOTALL):
        assert "csrf" in form or "change_fields" in form, form[:200]


@pytest.fixture(scope="module")
def messages() -> Catalog:
    """Every text the console may say."""
    catalog = Catalog()
    methods = [("console/**.py", "python"), ("access/**.py", "python"), ("templates/console/**.html", "jinja2")]
    options = {"templates/console/**.html": {"newstyle_gettext": "true", "extensions": "jinja2.ext.do"}}
    keywords = {"_": None, "N_": None, "ngettext": (1, 2), "gettext": None}
    for _, _, message, _, _ in extract_from_dir(str(WEB), methods, options, keywords):
        catalog.add(message)
    return catalog


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with (WEB / "locale/zh/LC_MESSAGES/console.po").open("rb") as file:
        return read_po(file, locale="zh")


def key_of(message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def test_every_text_is_translated(messages, chinese):
    missing = [key_of(m) for m in messages if m.id and not (chinese.get(key_of(m)) and chinese.get(key_of(m)).string)]
    assert len(list(messages)) > 500
    assert missing == []


def test_no_translation_is_left_of_a_text_that_is_gone(messages, chinese):
    assert [key_of(m) for m in chinese if m.id and messages.get(key_of(m)) is None] == []


def test_translations_keep_their_placeholders(chinese):
    named = re.compile(r"%\((\w+)\)s|%\((\w+)\)d")
    for message in chinese:
        if not message.id:
            continue
        said = message.string if isinstance(message.string, str) else message.string[0]
        assert set(named.findall(key_of(message))) == set(named.findall(said)), message.id


def state_machines() -> dict[str, list[str]]:
    """Every status of every state machine a page shows, by kind of badge."""
    from typing import get_args

    from activities.journal.models import RunStatus, StepStatus
    from activities.webhooks.models import DeliveryStatus, EndpointStatus
    from capabilities.account.contract import Phase
    from capabilities.account.stored import GiftCardState
    from capabilities.marketing.campaigns import CampaignStatus
    from capabilities.marketing.contract import CouponUse, RuleVerdict
    from capabilities.marketing.coupons import CouponCondition, CouponLot
    from capabilities.marketing.limits import ClaimStatus
    from capabilities.payment.contract import PaymentEventKind, PaymentStatus, ProviderEventStatus, SourceKind
    from capabilities.payment.schedule import DueStatus
    from capabilities.settlement.contract import (
        Batch,
        CommissionLine,
        Dispute,
        Mistake,
        PayoutStatus,
        Side,
        Standing,
        TransferKind,
        TransferStatus,
    )
    from capabilities.transaction.contract import (
        FulfilmentStatus,
        OrderStatus,
        RefundKind,
        RefundState,
        RefundStatus,
        ReservationStatus,
        ReturnState,
        ReturnStatus,
    )
    from capabilities.user.contract import BuyerStatus, Tier
    from rules.check import Severity

    return {
        "order": [status.value for status in OrderStatus],
        "reservation": [status.value for status in ReservationStatus],
        "payment": [status.value for status in PaymentStatus],
        "payment_event": [kind.value for kind in PaymentEventKind],
        "refund": [status.value for status in RefundStatus],
        "refund_change": [status.value for status in RefundStatus],
        "refund_kind": [kind.value for kind in RefundKind],
        "refund_state": [state.value for state in RefundState],
        "return": [status.value for status in ReturnStatus],
        "return_state": [state.value for state in ReturnState],
        "fulfilment": [status.value for status in FulfilmentStatus],
        "due": [status.value for status in DueStatus],
        "buyer": [status.value for status in BuyerStatus],
        "tier": [tier.value for tier in Tier],
        "consent": ["given", "withdrawn", "never_asked"],
        "approval": ["open", "approve", "refuse", "over"],
        "run": [status.value for status in RunStatus],
        "step": [status.value for status in StepStatus],
        "severity": [severity.value for severity in Severity],
        "coupon_use": list(get_args(CouponUse.model_fields["state"].annotation)),
        "outcome": list(get_args(RuleVerdict.model_fields["outcome"].annotation)),
        "commission": list(get_args(CommissionLine.model_fields["status"].annotation)),
        "campaign": list(get_args(CampaignStatus)),
        "lot": list(get_args(CouponLot.model_fields["status"].annotation)),
        "coupon": list(get_args(CouponCondition)),
        "claim": list(get_args(ClaimStatus)),
        "gift_card": [state.value for state in GiftCardState],
        "price_list": ["in_force", "ahead", "over", "off"],
        "phase": [phase.value for phase in Phase],
        "batch": list(get_args(Batch.model_fields["status"].annotation)),
        "payout": [status.value for status in PayoutStatus],
        "seller_transfer": [status.value for status in TransferStatus],
        "seller_transfer_kind": [kind.value for kind in TransferKind],
        "dispute": list(get_args(Dispute.model_fields["status"].annotation)),
        "standing": [standing.value for standing in Standing],
        "mistake": [mistake.value for mistake in Mistake],
        "side": [side.value for side in Side],
        "source": [kind.value for kind in SourceKind],
        "provider_event": [status.value for status in ProviderEventStatus],
        "endpoint": [status.value for status in EndpointStatus],
        "delivery": [status.value for status in DeliveryStatus],
        "submission": ["waiting", "approved", "sent_back", "voided"],
    }


@pytest.mark.parametrize("kind", sorted(state_machines()))
def test_every_status_has_a_badge_in_two_languages(kind, chinese):
    statuses = state_machines()[kind]
    assert statuses
    for status in statuses:
        badge = BADGES[kind].get(status)
        assert badge is not None, (kind, status)
        assert chinese.get(badge.word).string, badge.word


def test_shapes_tell_states_apart_without_colour():
    shapes = {look: badge_of_look(look) for look in Look}
    assert len(set(shapes.values())) == len(Look)


def badge_of_look(look: Look) -> str:
    return next(badge.shape for badges in BADGES.values() for badge in badges.values() if badge.look is look)


def test_a_status_nobody_has_drawn_still_shows_itself():
    assert badge_of("order", "brand_new").word == "brand new"
