"""What one rule would do alone, on the prices as they are now: nothing is changed, several can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from capabilities.marketing.contract import Allowance, FiredRule, OfferedGift, QuoteMessage, Reward
from capabilities.marketing.pricing.splitting import Remainder, split_within
from capabilities.marketing.pricing.state import Applied, Ending, Grant, Position


@dataclass(slots=True)
class Trial:
    """A rule tried: what it gives, what positions are afterwards, what it adds and promises."""

    rule: FiredRule
    applied: list[Applied] = field(default_factory=list)
    after: dict[str, Position] = field(default_factory=dict)
    wished_minor: int = 0
    given_minor: int = 0
    fees_minor: int = 0
    rewards: list[Reward] = field(default_factory=list)
    messages: list[QuoteMessage] = field(default_factory=list)
    gifts: list[OfferedGift] = field(default_factory=list)
    limited_by: str | None = None
    """Whose budget cut it short, or gave it nothing."""

    @property
    def does_something(self) -> bool:
        return bool(self.given_minor or self.fees_minor or self.rewards or self.messages)

    @property
    def worth_minor(self) -> int:
        """What it is worth to the buyer."""
        return self.given_minor - self.fees_minor

    @property
    def awaits_choice(self) -> bool:
        return any(gift.chosen is None for gift in self.gifts)

    def take(self, index: int, grants: Sequence[Grant], before: Mapping[str, Position]) -> None:
        """Add what an effect grants; sets that give nothing use nothing up."""
        gives = any(grant.given_minor for grant in grants)
        for grant in grants:
            self.wished_minor += grant.wished_minor
            self.given_minor += grant.given_minor
            self.applied.append(Applied(self.rule, index, grant))
            if grant.given_minor or (gives and grant.set_units):
                position = self.after.get(grant.position_id) or before[grant.position_id]
                self.after[grant.position_id] = position.after(grant)

    def ending(self) -> Ending:
        """What became of the rule, where it is taken or came to nothing by itself."""
        if self.given_minor:
            outcome = "applied" if self.given_minor >= self.wished_minor else "capped"
        elif self.does_something:
            outcome = "applied"
        elif self.awaits_choice:
            outcome = "awaits_choice"
        elif self.limited_by is not None:
            outcome = "budget_used_up"
        else:
            outcome = "no_room" if self.wished_minor else "gave_nothing"
        return Ending(self.rule, outcome, None, self.wished_minor, self.given_minor, self.limited_by)  # type: ignore[arg-type]

    def lost_to(self, winner: FiredRule) -> Ending:
        """What became of the rule, where another one of its group was taken."""
        if not self.does_something:
            return self.ending()
        return Ending(self.rule, "lost_in_group", winner.rule_id, self.wished_minor, self.given_minor)


def within_budget(
    grants: Sequence[Grant], left_minor: int, allowance: Allowance, remainder: Remainder
) -> Sequence[Grant] | None:
    """The grants within what a budget leaves, split exactly; None where it covers not all and a part is refused."""
    given = [grant.given_minor for grant in grants]
    if sum(given) <= left_minor:
        return grants
    if not allowance.partial:
        return None
    cut = split_within(max(0, left_minor), given, given, remainder)
    return [
        grant if part == grant.given_minor else replace(grant, given_minor=part, capped_by="budget")
        for grant, part in zip(grants, cut, strict=True)
    ]
