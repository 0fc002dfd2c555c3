"""What others see of users: buyers, their tiers and segments, what they consented to, and what admitting one answers."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from capabilities.user.tier_rules import TIER  # noqa: F401 - whoever knows the contract knows the decision

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
SegmentCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Contract(BaseModel):
    """Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(StrEnum):
    """How well we know a buyer, lowest first."""

    STANDARD = "standard"
    SILVER = "silver"
    GOLD = "gold"
    VIP = "vip"


class BuyerStatus(StrEnum):
    """Suspended buyers are refused at admission; of an erased one only the id is left, and it never comes back."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ERASED = "erased"


class Purpose(StrEnum):
    """What a buyer may be asked to agree to."""

    MARKETING = "marketing"
    ANALYTICS = "analytics"
    PROFILING = "profiling"


class TierSource(StrEnum):
    """Who said which tier a buyer has."""

    ENROLMENT = "enrolment"
    RULES = "rules"
    PERSON = "person"


class Buyer(Contract):
    """A buyer of one line of business. `order_count` counts confirmed orders.

    `tier` is the one that holds now: what a person set, while that lasts, else `earned_tier`. `lifetime_value_minor` is
    what confirmed orders in the currency of the business came to, less what was refunded of them.
    """

    business: str
    id: str
    name: str
    email: str | None
    tier: Tier
    tags: tuple[str, ...]
    segments: tuple[str, ...]
    status: BuyerStatus
    status_reason: str | None
    order_count: int
    joined_at: datetime
    birthday: date | None = None
    lifetime_value_minor: int = 0
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    earned_tier: Tier = Tier.STANDARD
    tier_source: TierSource = TierSource.ENROLMENT
    tier_reason: str | None = None
    tier_until: datetime | None = None
    """Until when the tier that holds is sure: a person's word ends then, an earned tier may fall from then on."""
    erased_at: datetime | None = None


class EnrolBuyer(Contract):
    """Enter a buyer, or change what is known of one; status and order count of a known buyer stay as they are."""

    business: str = Field(max_length=40)
    id: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=200)
    email: str | None = Field(default=None, max_length=320)
    tier: Tier = Tier.STANDARD
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    joined_at: datetime | None = None
    birthday: date | None = None


class AdmitBuyer(Contract):
    """Who wants to buy; no `buyer_id` means a guest."""

    business: str
    buyer_id: str | None = None


class AdmittedBuyer(Contract):
    """The buyer as a checkout knows them. `order_number` is 1 for the first order."""

    buyer_id: str | None = None
    tier: str = Tier.STANDARD.value
    tags: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    order_number: int = 1
    is_guest: bool = False
    first_order_at: datetime | None = None
    lifetime_value_minor: int = 0
    birthday: date | None = None
    """Day and month only, in the year 2000: what is handed on and kept with prices tells nobody's age."""


class BuyerPage(Contract):
    """One page of buyers; `next_cursor` is None on the last."""

    buyers: tuple[Buyer, ...]
    next_cursor: str | None


class BuyerFilters(Contract):
    """What a list of buyers is narrowed to; `search` looks in id, name and e-mail."""

    business: str
    search: str | None = Field(default=None, max_length=200)
    tiers: tuple[Tier, ...] = ()
    statuses: tuple[BuyerStatus, ...] = ()
    segment: str | None = None
    tag: str | None = None


# --- tiers ------------------------------------------------------------------------------------------------------


class BuyerStanding(Contract):
    """What a buyer has done, as of `at`: what tiers and segments are decided by. Money in the currency of the business."""

    at: datetime
    orders: int
    lifetime_minor: int
    last_year_minor: int
    refunded_minor: int
    first_order_at: datetime | None
    last_order_at: datetime | None


class DecidedTier(Contract):
    """What the rules said; no `tier` where no rule spoke."""

    tier: Tier | None = None
    reason: str | None = None
    valid_days: int | None = None
    release_id: str | None = None


class OverrideTier(Contract):
    """A person sets the tier, for a reason and until a time (None: until somebody ends it). `tier` None ends it."""

    business: str
    buyer_id: str
    tier: Tier | None
    reason: Reason
    until: datetime | None = None
    actor: str


class TierChange(Contract):
    """One change of the tier that holds; `from_tier` is None for the first."""

    from_tier: Tier | None
    to_tier: Tier
    source: TierSource
    reason: str | None
    until: datetime | None
    release_id: str | None
    actor: str
    at: datetime


# --- segments ---------------------------------------------------------------------------------------------------


class DefineSegment(Contract):
    """A named group of buyers. With `when` (a condition over the facts of `user.tier`) buyers come and go by
    themselves; without, the members are a list kept by people.

    `needs_consent` names a purpose a buyer must have consented to, or they are no member.
    """

    business: str
    code: SegmentCode
    name_en: str = Field(min_length=1, max_length=100)
    name_zh: str = Field(min_length=1, max_length=100)
    when: dict[str, Any] | None = None
    needs_consent: Purpose | None = None
    is_active: bool = True
    actor: str


class Segment(Contract):
    """A segment as people see it. `members` counts who is in it now."""

    business: str
    code: str
    name_en: str
    name_zh: str
    when: dict[str, Any] | None
    needs_consent: str | None
    is_active: bool
    members: int
    changed_at: datetime
    changed_by: str


class ChangeMembers(Contract):
    """Put buyers on the list of a segment, or take them off it. Repeating it changes nothing."""

    business: str
    code: SegmentCode
    add: tuple[str, ...] = Field(default=(), max_length=50_000)
    remove: tuple[str, ...] = Field(default=(), max_length=50_000)
    actor: str


class ChangedMembers(Contract):
    """What became of it. `unknown` are ids the business has no buyer of; they are left out."""

    code: str
    added: int
    removed: int
    unknown: tuple[str, ...]


# --- consent ----------------------------------------------------------------------------------------------------


class GiveConsent(Contract):
    """A buyer agrees, or withdraws. `text_version` names the text they were shown; `key` makes it one, however often sent."""

    business: str
    buyer_id: str
    purpose: Purpose
    is_given: bool
    text_version: str = Field(min_length=1, max_length=100)
    channel: str = Field(default="web", max_length=40)
    actor: str
    key: str


class Consent(Contract):
    """One word of a buyer about one purpose; the newest counts."""

    purpose: Purpose
    is_given: bool
    text_version: str
    channel: str
    actor: str
    at: datetime


# --- what operations are asked for -------------------------------------------------------------------------------


class BuyerReference(Contract):
    """A buyer by their id; the business is the one of who asks."""

    buyer_id: str = Field(min_length=1, max_length=64)


class StatusRequest(BuyerReference):
    """Suspend or restore a buyer, for a reason."""

    reason: Reason


class EraseRequest(BuyerReference):
    """Erase what is personal of a buyer: who asked for it, or why."""

    reason: Reason


class ConsentRequest(BuyerReference):
    """A buyer agrees to a purpose, or withdraws."""

    purpose: Purpose
    is_given: bool
    text_version: str = Field(min_length=1, max_length=100)
    channel: str = Field(default="web", max_length=40)


class TierRequest(BuyerReference):
    """A person sets the tier, until a time (None: until somebody ends it); `tier` None ends what a person set."""

    tier: Tier | None = None
    reason: Reason
    until: datetime | None = None


class SegmentRequest(Contract):
    """Enter or change a segment; see `DefineSegment`."""

    code: SegmentCode
    name_en: str = Field(min_length=1, max_length=100)
    name_zh: str = Field(min_length=1, max_length=100)
    when: dict[str, Any] | None = None
    needs_consent: Purpose | None = None
    is_active: bool = True


class MembersRequest(Contract):
    """Put buyers on the list of a segment, or take them off it."""

    code: SegmentCode
    add: tuple[str, ...] = Field(default=(), max_length=50_000)
    remove: tuple[str, ...] = Field(default=(), max_length=50_000)


class BuyerStands(Contract):
    """How a buyer stands after a step."""

    buyer_id: str
    status: BuyerStatus
    tier: Tier
    segments: tuple[str, ...]
    changed: bool
    """Whether anything is another than before."""


class ErasedBuyer(Contract):
    """What erasing did: rows changed, by table."""

    buyer_id: str
    erased_at: datetime
    rows: dict[str, int]


class SegmentStands(Contract):
    """A segment after a step. Buyers come and go by themselves within a minute where it has a condition."""

    code: str
    is_active: bool
    members: int
