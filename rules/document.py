"""A rule set as a document: frozen types, an exact JSON form, and a content hash.

A document may be unfinished (an editor saves every change); `rules.check` says what keeps it from being published.
Reading is strict about form only: what cannot be read is refused with the place named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from capabilities.kernel.decision import decisions
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import ALWAYS, Condition, condition_from_json, condition_to_json

MAX_RULES = 20_000
MAX_EFFECTS = 10
MAX_LIMITS = 10

HitPolicy = Literal["first", "collect"]
EffectBody = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """A name in both languages of the console."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Window:
    """When a rule is in force. `from_at` is included, `until_at` is not.

    A time without an offset, weekdays (1 is Monday) and hours are read in `zone`, else in the zone of the business.
    `hours` (22, 2) runs over midnight and belongs to the day on which it began.
    """

    from_at: datetime | None = None
    until_at: datetime | None = None
    zone: str | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class RuleLimit:
    """How often, or for how much money, a rule may give: in total, or for each of `per`, in all or in each period.

    `counts` is `uses` or `spend` (minor units). `per` names any of `buyer`, `code` and `store`; a period begins at
    midnight in `zone`, else in the zone of the business. `partial` says whether a budget that covers a part gives it.
    """

    counts: str = "uses"
    most: int = 1
    per: tuple[str, ...] = ()
    period: str | None = None
    zone: str | None = None
    partial: str = "allowed"


@dataclass(frozen=True, slots=True)
class GroupRules:
    """How the rules of one group of a stage combine: `stack` all, `best` one, `first` that gives something, or `exclusive`."""

    mode: str = "stack"
    best_per: str = "order"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Its position in the document is the listed order; a higher `priority` comes first."""

    id: str
    name: str
    when: Condition = ALWAYS
    effects: tuple[EffectBody, ...] = ()
    description: str = ""
    grain: str = "order"
    stage: int = 30
    priority: int = 0
    group: str = "default"
    exclusive: str = "no"
    excludes: tuple[str, ...] = ()
    coupon: str | None = None
    window: Window | None = None
    traffic_bps: int = 10_000
    enabled: bool = True
    tags: tuple[str, ...] = ()
    limits: tuple[RuleLimit, ...] = ()
    campaign: str | None = None
    otherwise: tuple[EffectBody, ...] = ()
    """Effects for the case that its condition does not hold: for the order, or for no line."""


@dataclass(frozen=True, slots=True)
class RuleSetDocument:
    """All rules of one decision for one business identity, with the options they are combined under."""

    decision: str
    name: Names
    rules: tuple[Rule, ...] = ()
    policy: HitPolicy = "first"
    options: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, GroupRules] = field(default_factory=dict)

    def rule(self, rule_id: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)


def by_priority(rule: Rule, position: int) -> tuple[int, int]:
    """The order rules are heard in: higher priority first, then the listed order."""
    return (-rule.priority, position)


def document_to_json(document: RuleSetDocument) -> dict[str, Any]:
    """The JSON form, complete with defaults; `document_from_json` is its exact inverse."""
    return {
        "decision": document.decision,
        "name": {"en": document.name.en, "zh": document.name.zh},
        "policy": document.policy,
        "options": dict(document.options),
        "groups": {name: {"mode": g.mode, "best_per": g.best_per} for name, g in document.groups.items()},
        "rules": [rule_to_json(rule) for rule in document.rules],
    }


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """One rule in its JSON form. Limits and campaign stand only where there are any: what has none keeps its hash."""
    said = {
        "id": rule.id,
        "name": rule.name,
        "description": rule.description,
        "grain": rule.grain,
        "stage": rule.stage,
        "when": condition_to_json(rule.when),
        "effects": [dict(effect) for effect in rule.effects],
        "priority": rule.priority,
        "group": rule.group,
        "exclusive": rule.exclusive,
        "excludes": list(rule.excludes),
        "coupon": rule.coupon,
        "window": None if rule.window is None else window_to_json(rule.window),
        "traffic_bps": rule.traffic_bps,
        "enabled": rule.enabled,
        "tags": list(rule.tags),
    }
    if rule.limits:
        said["limits"] = [limit_to_json(limit) for limit in rule.limits]
    if rule.campaign is not None:
        said["campaign"] = rule.campaign
    if rule.otherwise:
        said["otherwise"] = [dict(effect) for effect in rule.otherwise]
    return said


def limit_to_json(limit: RuleLimit) -> dict[str, Any]:
    """A limit in its JSON form."""
    return {
        "counts": limit.counts,
        "most": limit.most,
        "per": list(limit.per),
        "period": limit.period,
        "zone": limit.zone,
        "partial": limit.partial,
    }


def window_to_json(window: Window) -> dict[str, Any]:
    """A window in its JSON form."""
    return {
        "from": None if window.from_at is None else window.from_at.isoformat(),
        "until": None if window.until_at is None else window.until_at.isoformat(),
        "zone": window.zone,
        "weekdays": list(window.weekdays),
        "hours": None if window.hours is None else list(window.hours),
    }


def canonical_json(body: Any) -> str:
    """JSON with sorted keys and without spaces: equal content, equal text. Lists of conditions keep their order."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_sha256(document: RuleSetDocument) -> str:
    """The hash of everything the document says."""
    return hashlib.sha256(canonical_json(document_to_json(document)).encode()).hexdigest()


def release_id_of(document: RuleSetDocument, rule_set_id: str) -> str:
    """The id of this content as a release of this rule set; publishing the same content again gives the same id."""
    digest = hashlib.sha256(f"{rule_set_id}\x1f{content_sha256(document)}".encode()).hexdigest()
    return f"rel_{digest[:26]}"


def document_from_json(body: Any) -> RuleSetDocument:
    """Read the JSON form; fields left out have their defaults. Raises `InvalidError` naming the place."""
    reader = _Reader(body, "document")
    rules = reader.items("rules", MAX_RULES)
    decision = reader.text("decision")
    declared = decisions().get(decision)
    document = RuleSetDocument(
        decision=decision,
        name=_names(reader.value("name", {"en": "", "zh": ""})),
        policy=reader.one_of("policy", ("first", "collect"), declared.hit_policy if declared else "first"),
        options=reader.mapping("options"),
        groups={name: _group(group, f"groups.{name}") for name, group in reader.mapping("groups").items()},
        rules=tuple(rule_from_json(rule, at=f"rules[{i}]") for i, rule in enumerate(rules)),
    )
    reader.done()
    return document


def rule_from_json(body: Any, *, at: str = "rule") -> Rule:
    """Read one rule."""
    reader = _Reader(body, at)
    effects, otherwise = (_effects(reader, key) for key in ("effects", "otherwise"))
    rule = Rule(
        id=reader.text("id"),
        name=reader.text("name", ""),
        description=reader.text("description", ""),
        grain=reader.text("grain", "order"),
        stage=reader.whole("stage", 30),
        when=condition_from_json(reader.value("when", {"all": []}), at=f"{at}.when"),
        effects=effects,
        priority=reader.whole("priority", 0),
        group=reader.text("group", "default"),
        exclusive=reader.text("exclusive", "no"),
        excludes=reader.texts("excludes"),
        coupon=reader.text_or_none("coupon"),
        window=_window(reader.value("window", None), f"{at}.window"),
        traffic_bps=reader.whole("traffic_bps", 10_000),
        enabled=reader.flag("enabled", default=True),
        tags=reader.texts("tags"),
        limits=tuple(_limit(one, f"{at}.limits[{i}]") for i, one in enumerate(reader.items("limits", MAX_LIMITS))),
        campaign=reader.text_or_none("campaign"),
        otherwise=otherwise,
    )
    reader.done()
    return rule


def _effects(reader: _Reader, key: str) -> tuple[EffectBody, ...]:
    found = reader.items(key, MAX_EFFECTS)
    for i, effect in enumerate(found):
        if not isinstance(effect, dict) or not isinstance(effect.get("kind"), str):
            raise InvalidError(
                "rules.unreadable", "An effect is an object with a kind.", field=f"{reader.at}.{key}[{i}]"
            )
    return tuple(dict(effect) for effect in found)


def _names(body: Any) -> Names:
    reader = _Reader(body, "name")
    names = Names(en=reader.text("en", ""), zh=reader.text("zh", ""))
    reader.done()
    return names


def _group(body: Any, at: str) -> GroupRules:
    reader = _Reader(body, at)
    group = GroupRules(mode=reader.text("mode", "stack"), best_per=reader.text("best_per", "order"))
    reader.done()
    return group


def _limit(body: Any, at: str) -> RuleLimit:
    reader = _Reader(body, at)
    limit = RuleLimit(
        counts=reader.text("counts", "uses"),
        most=reader.whole("most", 1),
        per=reader.texts("per"),
        period=reader.text_or_none("period"),
        zone=reader.text_or_none("zone"),
        partial=reader.text("partial", "allowed"),
    )
    reader.done()
    return limit


def _window(body: Any, at: str) -> Window | None:
    if body is None:
        return None
    reader = _Reader(body, at)
    hours = reader.wholes("hours")
    if hours and len(hours) != 2:
        raise InvalidError("rules.unreadable", "Hours are two whole numbers, from and until.", field=f"{at}.hours")
    window = Window(
        from_at=reader.time("from"),
        until_at=reader.time("until"),
        zone=reader.text_or_none("zone"),
        weekdays=reader.wholes("weekdays"),
        hours=(hours[0], hours[1]) if hours else None,
    )
    reader.done()
    return window


class _Reader:
    """Reads an object field by field, remembers which were asked for, and refuses the rest."""

    def __init__(self, body: Any, at: str) -> None:
        if not isinstance(body, dict):
            raise InvalidError("rules.unreadable", "An object is expected here.", field=at)
        self.body, self.at, self.known = body, at, set[str]()

    def _refuse(self, key: str, expected: str) -> InvalidError:
        return InvalidError("rules.unreadable", f"{key} is {expected}.", field=f"{self.at}.{key}")

    def value(self, key: str, default: Any) -> Any:
        self.known.add(key)
        return self.body.get(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        found = self.value(key, default)
        if not isinstance(found, str):
            raise self._refuse(key, "a text")
        return found

    def text_or_none(self, key: str) -> str | None:
        found = self.value(key, None)
        if found is not None and not isinstance(found, str):
            raise self._refuse(key, "a text or null")
        return found

    def whole(self, key: str, default: int) -> int:
        found = self.value(key, default)
        if type(found) is not int:
            raise self._refuse(key, "a whole number")
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        found = self.value(key, default)
        if not isinstance(found, bool):
            raise self._refuse(key, "true or false")
        return found

    def one_of(self, key: str, choices: tuple[Any, ...], default: Any) -> Any:
        found = self.value(key, default)
        if found not in choices:
            raise self._refuse(key, f"one of {', '.join(map(str, choices))}")
        return found

    def items(self, key: str, limit: int) -> list[Any]:
        found = self.value(key, [])
        if not isinstance(found, list | tuple) or len(found) > limit:
            raise self._refuse(key, f"a list of at most {limit:,}")
        return list(found)

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.items(key, MAX_RULES)
        if not all(isinstance(item, str) for item in found):
            raise self._refuse(key, "a list of texts")
        return tuple(found)

    def wholes(self, key: str) -> tuple[int, ...]:
        found = self.value(key, None) or []
        if not isinstance(found, list | tuple) or not all(type(item) is int for item in found):
            raise self._refuse(key, "a list of whole numbers")
        return tuple(found)

    def mapping(self, key: str) -> dict[str, Any]:
        found = self.value(key, {})
        if not isinstance(found, dict):
            raise self._refuse(key, "an object")
        return dict(found)

    def time(self, key: str) -> datetime | None:
        found = self.text_or_none(key)
        if found is None:
            return None
        try:
            return datetime.fromisoformat(found)
        except ValueError:
            raise self._refuse(key, "a time such as 2026-11-27T00:00:00+08:00") from None

    def done(self) -> None:
        unknown = sorted(set(self.body) - self.known)
        if unknown:
            raise InvalidError("rules.unreadable", f"Unknown: {', '.join(unknown)}.", field=self.at)
