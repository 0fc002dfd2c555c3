"""What people type into the editor, read into values: amounts, percents, lists, dates. Refusals name the field."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from capabilities.kernel.decision import FieldKind, FieldType
from capabilities.kernel.errors import InvalidError
from capabilities.kernel.expression import Operator, Test
from capabilities.kernel.money import Money
from rules.document import RuleLimit, Window
from rules.limit_sentence import PERIODS
from web.console.texts import N_

CURRENCY_SIGNS = "¥￥$€£"
WITH_LIST = {
    Operator.IN,
    Operator.NOT_IN,
    Operator.WITHIN,
    Operator.CONTAINS_ANY,
    Operator.CONTAINS_ALL,
    Operator.CONTAINS_NONE,
}
WITHOUT_VALUE = {Operator.PRESENT, Operator.MISSING}

Posted = Mapping[str, Sequence[str]]
"""A posted form: every value of every name."""


def first(form: Posted, name: str) -> str:
    values = form.get(name) or [""]
    return plain(values[0])


def plain(text: str) -> str:
    """Full-width digits and signs become plain ones; space around goes."""
    return unicodedata.normalize("NFKC", text).strip()


def read_money(text: str, currency: str, *, field: str) -> int:
    """Minor units of 1,234.5, ¥1234 or １２３４."""
    try:
        minor = Money.of(plain(text).lstrip(CURRENCY_SIGNS).strip(), currency).minor
    except InvalidError:
        raise wrong(N_("Write an amount such as 1,234.50."), field) from None
    if minor < 0:
        raise wrong(N_("The amount cannot be negative."), field)
    return minor


def read_rate(text: str, *, field: str) -> int:
    """Percent as people write it, "10", "12.5 %": basis points."""
    try:
        value = Decimal(plain(text).rstrip("%").strip()) * 100
    except InvalidOperation:
        raise wrong(N_("Write a percentage such as 10 or 12.5."), field) from None
    if value != value.to_integral_value():
        raise wrong(N_("A percentage has at most two decimals."), field)
    return int(value)


def read_number(text: str, *, field: str) -> int:
    try:
        return int(plain(text).replace(",", ""))
    except ValueError:
        raise wrong(N_("Write a whole number such as 3."), field) from None


def read_value(kind: FieldKind, text: str, currency: str, *, field: str) -> Any:
    """One value of the kind."""
    if not plain(text):
        raise wrong(N_("A value is needed here."), field)
    if kind is FieldKind.MONEY:
        return read_money(text, currency, field=field)
    if kind is FieldKind.RATE:
        return read_rate(text, field=field)
    if kind is FieldKind.NUMBER:
        return read_number(text, field=field)
    if kind is FieldKind.BOOLEAN:
        return plain(text) == "yes"
    if kind is FieldKind.DATE:
        try:
            return date.fromisoformat(plain(text)).isoformat()
        except ValueError:
            raise wrong(N_("Write a date such as 2026-11-25."), field) from None
    return text.strip()


def read_list(kind: FieldKind, texts: Sequence[str], currency: str, *, field: str) -> tuple[Any, ...]:
    """Several values: chosen boxes, or one text with commas or lines between them."""
    parts: list[str] = []
    for text in texts:
        for mark in ("，", "、", "\n", ";", "；"):
            text = text.replace(mark, ",")  # noqa: PLW2901 - each mark in turn
        parts += [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise wrong(N_("Choose or write at least one value."), field)
    return tuple(read_value(kind, part, currency, field=field) for part in dict.fromkeys(parts))


def read_test(field: FieldType, form: Posted, currency: str) -> Test:
    """The test a condition form describes: `op`, `value`, for a range `low` and `high`."""
    try:
        op = Operator(first(form, "op"))
    except ValueError:
        raise wrong(N_("Choose how to compare."), "op") from None
    if op in WITHOUT_VALUE:
        return Test(field.name, op)
    if op is Operator.BETWEEN:
        low = read_value(field.kind, first(form, "value"), currency, field="value")
        high = read_value(field.kind, first(form, "high"), currency, field="high")
        if low > high:
            raise wrong(N_("The upper end is below the lower one."), "high")
        return Test(field.name, op, (low, high))
    values = [value for value in form.get("value", []) if value.strip()]
    if op in WITH_LIST:
        return Test(field.name, op, read_list(field.kind, values, currency, field="value"))
    if field.word.choices and len(values) > 1:
        raise wrong(N_("Choose one value, or compare with several."), "value")
    return Test(field.name, op, read_value(field.kind, values[0] if values else "", currency, field="value"))


def read_window(form: Posted, zone: ZoneInfo) -> Window | None:
    """From, until, weekdays, hours; all blank is always."""
    start, end = (
        read_moment(first(form, "from"), zone, field="from"),
        read_moment(first(form, "until"), zone, field="until"),
    )
    if start is not None and end is not None and end <= start:
        raise wrong(N_("The end is not after the beginning."), "until")
    weekdays = tuple(sorted({read_number(day, field="weekdays") for day in form.get("weekdays", [])}))
    begin_hour, end_hour = first(form, "hour_from"), first(form, "hour_until")
    hours = None
    if begin_hour or end_hour:
        hours = (read_number(begin_hour, field="hour_from"), read_number(end_hour, field="hour_until"))
        if not (0 <= hours[0] <= 23 and 0 <= hours[1] <= 24) or hours[0] == hours[1]:
            raise wrong(N_("Hours run from 0 to 24 and differ."), "hour_until")
    if start is None and end is None and not weekdays and hours is None:
        return None
    return Window(from_at=start, until_at=end, zone=None, weekdays=weekdays, hours=hours)


def read_limit(form: Posted, currency: str) -> RuleLimit:
    """What is counted, how much of it, for whom, in which periods."""
    counts = first(form, "counts")
    if counts not in ("uses", "spend"):
        raise wrong(N_("Choose what is counted."), "counts")
    if counts == "uses":
        most = read_number(first(form, "most"), field="most")
    else:
        most = read_money(first(form, "most"), currency, field="most")
    if most < 0:
        raise wrong(N_("The limit cannot be negative."), "most")
    zone = first(form, "zone") or None
    if zone is not None and zone not in available_timezones():
        raise wrong(N_("Write a time zone such as Asia/Shanghai."), "zone")
    per = tuple(one for one in ("buyer", "code", "store") if one in form.get("per", []))
    period = first(form, "period")
    return RuleLimit(
        counts=counts,
        most=most,
        per=per,
        period=period if period in PERIODS else None,
        zone=zone if period in PERIODS else None,
        partial="refused" if counts == "spend" and first(form, "partial") == "refused" else "allowed",
    )


def read_moment(text: str, zone: ZoneInfo, *, field: str) -> datetime | None:
    """A time such as 2026-11-27T00:00 in the business's zone; blank is none."""
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise wrong(N_("Write a time such as 2026-11-27 00:00."), field) from None
    return read if read.tzinfo else read.replace(tzinfo=zone)


def wrong(message: str, field: str) -> InvalidError:
    """The refusal of one field, for `message` of the catalogue."""
    return InvalidError("rules.input_wrong", message, field=field)
