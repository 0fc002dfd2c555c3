"""The editor of one rule set: guided sentences, one bracket open at a time, every change saved as one operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from capabilities.kernel.database import transaction
from capabilities.kernel.decision import Decision
from capabilities.kernel.errors import ConflictError, InvalidError, PlatformError
from capabilities.kernel.expression import Group, Join
from rules import check as checks
from rules.document import GroupRules, RuleSetDocument
from rules.queries import draft_of
from rules.service import open_draft, save_draft
from rules.vocabulary import decision_named, stages_of
from web.access.permissions import Action
from web.console.edge import ConsoleRoute
from web.console.effect_input import over_lines, read_effect
from web.console.pages import go, page
from web.console.rule_cards import JOIN_LEGENDS, Opened, RuleCard, rule_cards
from web.console.rule_changes import (
    add_condition,
    add_rule,
    change_rule,
    condition_at,
    copy_rule,
    move_condition,
    move_rule,
    read_path,
    remove_condition,
    remove_effect,
    remove_rule,
    rule_in,
    set_condition,
    set_effect,
    set_join,
)
from web.console.rule_input import (
    Posted,
    first,
    read_limit,
    read_number,
    read_rate,
    read_test,
    read_window,
)
from web.console.rule_limits import campaign_choices, limit_sentences, limit_values
from web.console.rule_sets import Opening, RuleSetHead, may_change, open_rule_set, require_change
from web.console.rule_words import EXCLUSIVE, GRAINS, MODES, WEEKDAYS, Wording
from web.console.texts import N_
from web.console.visit import Needs, Visit

router = APIRouter(route_class=ConsoleRoute)


@dataclass(frozen=True)
class EditorPage:
    """Everything the editor shows."""

    head: RuleSetHead
    cards: tuple[RuleCard, ...]
    general_problems: tuple[checks.Problem, ...]
    may_edit: bool
    who_edit: tuple[str, ...]
    has_coupons: bool
    group_modes: dict[str, str]
    grains: tuple[tuple[str, str], ...]
    stages: tuple[tuple[int, str], ...]
    joins: tuple[tuple[str, str], ...]
    modes: tuple[tuple[str, str], ...]
    exclusives: tuple[tuple[str, str], ...]
    window_values: dict[str, Any]
    limits: Mapping[str, tuple[str, ...]]
    limit_values: dict[str, Any]
    campaigns: tuple[tuple[str, str, str], ...]
    query: str = ""
    new_name: str = ""
    conflict: bool = False
    problem: str | None = None
    tab: str = ""
    weekdays: tuple[str, ...] = WEEKDAYS


@router.get("/console/{business}/rules/{rule_set_id}", name="rule_editor")
def editor(
    visit: Annotated[Visit, Depends(Needs(Action.SEE_RULES))],
    rule_set_id: str,
    opened_rule: Annotated[str, Query(alias="open", max_length=64)] = "",
    place: Annotated[str, Query(max_length=64)] = "",
    word: Annotated[str, Query(max_length=100)] = "",
    find: Annotated[str, Query(max_length=100)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
    return show_editor(visit, opening, Opened(opened_rule, place, word, find), query=q)


@router.post("/console/{business}/rules/{rule_set_id}/changes", name="change_rules")
def change(visit: Annotated[Visit, Depends(Needs(Action.EDIT_RULES))], rule_set_id: str) -> Response:
    """One change, on top of `base_revision`. Wrong input: 422 with what was typed; a newer draft: 409 with both."""
    form = {name: [str(value) for value in visit.form.getlist(name)] for name in visit.form}
    opened = Opened(first(form, "rule"), first(form, "place"), first(form, "word"), values=form)
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
        require_change(visit, opening.rule_set, Action.EDIT_RULES)
    try:
        changed = Changing(opening, form).apply()
    except InvalidError as error:
        place = str(error.details.get("field", ""))
        if not opened.place:
            return show_editor(visit, opening, Opened(), problem=error.message, status=422)
        return show_editor(visit, opening, replace(opened, errors={place: error.message}), status=422)
    except PlatformError as error:
        return show_editor(visit, opening, Opened(), problem=error.message, status=409)
    return _save(visit, rule_set_id, changed, form, opened)


def _save(visit: Visit, rule_set_id: str, changed: RuleSetDocument, form: Posted, opened: Opened) -> Response:
    try:
        base_revision = int(first(form, "base_revision")) if first(form, "base_revision").isdigit() else 0
        with transaction() as session:
            if base_revision == 0 and draft_of(session, rule_set_id) is None:
                base_revision = open_draft(session, rule_set_id, visit.operator.id).revision
            save_draft(session, rule_set_id, changed, base_revision, visit.operator.id)
    except ConflictError:
        with transaction() as session:
            opening = open_rule_set(session, visit, rule_set_id)
        return show_editor(visit, opening, opened, conflict=True, status=409)
    if not visit.wants_fragment:
        anchor = f"#r-{opened.rule_id}" if opened.rule_id else ""
        return go(visit, f"{visit.path}/rules/{rule_set_id}{anchor}")
    with transaction() as session:
        opening = open_rule_set(session, visit, rule_set_id)
    return show_editor(visit, opening, _next_open(opening, form))


def _next_open(opening: Opening, form: Posted) -> Opened:
    """A new rule opens its first bracket at once, so that it can be written without hunting for it."""
    if first(form, "change") == "add_rule" and opening.document.rules:
        return Opened(opening.document.rules[-1].id, "add:")
    return Opened()


@dataclass(frozen=True)
class Changing:
    """One posted change of a document."""

    opening: Opening
    form: Posted

    @property
    def document(self) -> RuleSetDocument:
        return self.opening.document

    @property
    def decision(self) -> Decision:
        return decision_named(self.document.decision)

    def apply(self) -> RuleSetDocument:
        change = _CHANGES.get(first(self.form, "change"))
        if change is None:
            raise InvalidError("rules.change_unknown", N_("This change is not known."), field="change")
        return change(self)

    @property
    def rule_id(self) -> str:
        return first(self.form, "rule")

    def rule(self, **fields: Any) -> RuleSetDocument:
        return change_rule(self.document, self.rule_id, **fields)

    def add_rule(self) -> RuleSetDocument:
        name = first(self.form, "name")
        if not name:
            raise InvalidError("rules.input_wrong", N_("Give the rule a name first."), field="name")
        return add_rule(self.document, self.decision, name[:100])[0]

    def copy_rule(self) -> RuleSetDocument:
        name = rule_in(self.document, self.rule_id).name
        return copy_rule(self.document, self.rule_id, self.opening.wording.text(N_("%(name)s (copy)"), name=name))[0]

    def remove_rule(self) -> RuleSetDocument:
        return remove_rule(self.document, self.rule_id)

    def move_rule(self) -> RuleSetDocument:
        return move_rule(self.document, self.rule_id, -1 if first(self.form, "by") == "-1" else 1)

    def toggle_rule(self) -> RuleSetDocument:
        return self.rule(enabled=not rule_in(self.document, self.rule_id).enabled)

    def set_name(self) -> RuleSetDocument:
        name = first(self.form, "name")
        if not name:
            raise InvalidError("rules.input_wrong", N_("A rule needs a name."), field="name")
        return self.rule(name=name[:100], description=first(self.form, "description")[:500])

    def set_coupon(self) -> RuleSetDocument:
        return self.rule(coupon=first(self.form, "coupon")[:64] or None)

    def set_campaign(self) -> RuleSetDocument:
        return self.rule(campaign=first(self.form, "campaign")[:64] or None)

    def set_limit(self) -> RuleSetDocument:
        limits = rule_in(self.document, self.rule_id).limits
        place = first(self.form, "place").partition(":")[2]
        index = int(place) if place.isdigit() and int(place) < len(limits) else len(limits)
        read = read_limit(self.form, self.opening.wording.currency)
        return self.rule(limits=(*limits[:index], read, *limits[index + 1 :]))

    def remove_limit(self) -> RuleSetDocument:
        limits = rule_in(self.document, self.rule_id).limits
        place = first(self.form, "place").partition(":")[2]
        index = int(place) if place.isdigit() else len(limits)
        return self.rule(limits=(*limits[:index], *limits[index + 1 :]))

    def set_window(self) -> RuleSetDocument:
        return self.rule(window=read_window(self.form, self.opening.wording.zone))

    def set_manner(self) -> RuleSetDocument:
        grain = first(self.form, "grain") or rule_in(self.document, self.rule_id).grain
        group = first(self.form, "group")[:40] or "default"
        traffic = read_rate(first(self.form, "traffic") or "100", field="traffic")
        if not 0 < traffic <= 10_000:
            raise InvalidError("rules.input_wrong", N_("The share lies between 0 and 100 %."), field="traffic")
        exclusive = first(self.form, "exclusive")
        changed = self.rule(
            grain=grain if grain in {g.name for g in self.decision.grains} else self.decision.grains[0].name,
            stage=read_number(first(self.form, "stage"), field="stage"),
            priority=read_number(first(self.form, "priority") or "0", field="priority"),
            group=group,
            exclusive=exclusive if exclusive in EXCLUSIVE else "no",
            traffic_bps=traffic,
        )
        mode = first(self.form, "mode")
        known = changed.groups.get(group, GroupRules())
        if mode in MODES and (mode != known.mode or group in changed.groups):
            return replace(changed, groups={**changed.groups, group: replace(known, mode=mode)})
        return changed

    def _path(self) -> tuple[int, ...]:
        return read_path(first(self.form, "path") or first(self.form, "place").partition(":")[2])

    def add_test(self) -> RuleSetDocument:
        return self.rule(when=add_condition(rule_in(self.document, self.rule_id), self._path(), self._test()))

    def set_test(self) -> RuleSetDocument:
        return self.rule(when=set_condition(rule_in(self.document, self.rule_id), self._path(), self._test()))

    def _test(self) -> Any:
        rule = rule_in(self.document, self.rule_id)
        field = self.opening.wording.field(rule.grain, first(self.form, "field"))
        if field is None:
            raise InvalidError("rules.input_wrong", N_("Choose a word."), field="field")
        currency = self.opening.wording.currency
        return over_lines(self.document.decision, read_test(field, self.form, currency), self.form, currency)

    def add_group(self) -> RuleSetDocument:
        rule = rule_in(self.document, self.rule_id)
        return self.rule(when=add_condition(rule, self._path(), Group(Join.ANY, ())))

    def remove_condition(self) -> RuleSetDocument:
        return self.rule(when=remove_condition(rule_in(self.document, self.rule_id), self._path()))

    def move_condition(self) -> RuleSetDocument:
        by = -1 if first(self.form, "by") == "-1" else 1
        return self.rule(when=move_condition(rule_in(self.document, self.rule_id), self._path(), by))

    def set_join(self) -> RuleSetDocument:
        join = first(self.form, "join")
        if join not in Join.__members__.values():
            raise InvalidError("rules.input_wrong", N_("Choose how the conditions join."), field="join")
        rule = rule_in(self.document, self.rule_id)
        condition_at(rule, self._path())
        return self.rule(when=set_join(rule, self._path(), Join(join)))

    def _is_otherwise(self) -> bool:
        return first(self.form, "place").partition(":")[0] == "otherwise"

    def _effects(self) -> tuple[Mapping[str, Any], ...]:
        """The effects the place is of: those of the rule, or those for the case that it does not hold."""
        rule = rule_in(self.document, self.rule_id)
        return rule.otherwise if self._is_otherwise() else rule.effects

    def _with_effects(self, effects: tuple[Mapping[str, Any], ...]) -> RuleSetDocument:
        return self.rule(otherwise=effects) if self._is_otherwise() else self.rule(effects=effects)

    def _effect_index(self) -> int:
        place = first(self.form, "place").partition(":")[2]
        count = len(self._effects())
        return min(int(place), count) if place.isdigit() else count

    def set_effect(self) -> RuleSetDocument:
        effects = self._effects()
        index = self._effect_index()
        before = dict(effects[index]) if index < len(effects) else None
        currency = self.opening.wording.currency
        body = read_effect(self.document.decision, first(self.form, "kind"), self.form, currency, before=before)
        return self._with_effects(set_effect(effects, index, body))

    def remove_effect(self) -> RuleSetDocument:
        return self._with_effects(remove_effect(self._effects(), self._effect_index()))


_CHANGES: dict[str, Callable[[Changing], RuleSetDocument]] = {
    name: getattr(Changing, name)
    for name in (
        "add_rule",
        "copy_rule",
        "remove_rule",
        "move_rule",
        "toggle_rule",
        "set_name",
        "set_coupon",
        "set_campaign",
        "set_limit",
        "remove_limit",
        "set_window",
        "set_manner",
        "add_test",
        "set_test",
        "add_group",
        "remove_condition",
        "move_condition",
        "set_join",
        "set_effect",
        "remove_effect",
    )
}


def show_editor(
    visit: Visit,
    opening: Opening,
    opened: Opened,
    *,
    query: str = "",
    conflict: bool = False,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    wording, document = opening.wording, opening.document
    problems = checks.check(document)
    cards = rule_cards(document, problems, wording, opened)
    if query:
        cards = tuple(card for card in cards if query.casefold() in f"{card.rule.name} {card.effects}".casefold())
    decision = decision_named(document.decision)
    may_edit = may_change(visit, opening.rule_set, Action.EDIT_RULES)
    known = {card.rule.id for card in cards}
    context = EditorPage(
        head=opening.head,
        cards=cards,
        general_problems=tuple(p for p in problems if p.rule_id not in known) if not query else (),
        may_edit=may_edit,
        who_edit=() if may_edit else visit.who_may(Action.EDIT_RULES.value),
        has_coupons=any(f.name == "order.coupon_codes" for f in decision.grains[0].fields().values()),
        group_modes={name: group.mode for name, group in document.groups.items()},
        grains=tuple((g.name, wording.text(GRAINS.get(g.name, g.name))) for g in decision.grains),
        stages=tuple(
            (number, f"{number} · {wording.either(*names)}") for number, names in stages_of(opening.document).items()
        ),
        joins=tuple((join.value, wording.text(legend)) for join, legend in JOIN_LEGENDS.items()),
        modes=tuple((mode, wording.text(label)) for mode, label in MODES.items()),
        exclusives=tuple((code, wording.text(label)) for code, label in EXCLUSIVE.items()),
        window_values=_window_values(document, opened, wording),
        limits={rule.id: limit_sentences(rule, wording) for rule in document.rules},
        limit_values=limit_values(document, opened, wording.currency),
        campaigns=campaign_choices(visit, opened),
        query=query,
        new_name=first(opened.values, "name") if first(opened.values, "change") == "add_rule" else "",
        conflict=conflict,
        problem=problem,
    )
    return page(visit, "rules/editor.html", context, block="editor", status=status)


def _window_values(document: RuleSetDocument, opened: Opened, wording: Wording) -> dict[str, Any]:
    """The window's form: what was typed, else what is stored, in the business's zone."""
    names = ("from", "until", "hour_from", "hour_until")
    if opened.values:
        return {**{n: first(opened.values, n) for n in names}, "weekdays": list(opened.values.get("weekdays", []))}
    rule = document.rule(opened.rule_id)
    window = rule.window if rule else None
    if window is None:
        return {**dict.fromkeys(names, ""), "weekdays": []}
    stored = [
        "" if at is None else (at.astimezone(wording.zone) if at.tzinfo else at).strftime("%Y-%m-%dT%H:%M")
        for at in (window.from_at, window.until_at)
    ]
    hours = [str(hour) for hour in window.hours] if window.hours else ["", ""]
    return {**dict(zip(names, (*stored, *hours), strict=True)), "weekdays": [str(day) for day in window.weekdays]}
