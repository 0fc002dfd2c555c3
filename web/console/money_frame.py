"""What all pages about money share: tabs, the banner of a ledger out of balance, filters, and what became of an act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy.orm import Session

from activities.journal.approvals import ApprovalSeen
from capabilities.account.queries_reports import unequal_sides
from capabilities.kernel.errors import InvalidError, PlatformError
from capabilities.kernel.ids import new_id
from capabilities.transaction.queries import seller_names
from web.access.queries import people_with
from web.console.acts import perform
from web.console.approvals import roles_asked
from web.console.became import Became, became_of
from web.console.edge import STATUS
from web.console.lists import Chip, link
from web.console.rule_input import read_money, read_rate
from web.console.texts import N_
from web.console.visit import Visit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something was not done, and what to do; `lines` are those of a file that cannot be read."""

    message: str
    mend: str | None = None
    status: int = 409
    lines: tuple[tuple[int, str], ...] = ()

    @classmethod
    def of(cls, error: PlatformError) -> Refused:
        found = error.details.get("lines") or ()
        lines = tuple((int(one["line"]), str(one["message"])) for one in found if isinstance(one, Mapping))
        return cls(error.message, error.mend, STATUS[error.kind], lines)


@dataclass(frozen=True)
class Frame:
    """The head of a page about money. `off`: by currency what debits exceed credits by; empty where the ledger balances."""

    tab: str
    off: tuple[tuple[str, int], ...]
    ran: Became | None
    refused: Refused | None
    typed: Mapping[str, str]
    sellers: Mapping[str, str]

    def new_key(self) -> str:
        """A key for one form: sent twice it is one act."""
        return new_id("act")


def frame_of(session: Session, visit: Visit, tab: str, refused: Refused | None = None) -> Frame:
    """The frame of this request; what was typed comes back where the act was refused."""
    typed = {name: value for name, value in visit.form.items() if isinstance(value, str)} if refused else {}
    return Frame(
        tab,
        tuple(unequal_sides(session, visit.business.business).items()),
        became_of(session, visit, visit.request.query_params.get("ran")),
        refused,
        typed,
        sellers_named(session, visit),
    )


def sellers_named(session: Session, visit: Visit) -> dict[str, str]:
    """Names of sellers in the person's language."""
    zh = visit.operator.language == "zh"
    return {
        code: found[1] if zh else found[0] for code, found in seller_names(session, visit.business.business).items()
    }


def approvers(session: Session, asked: ApprovalSeen) -> tuple[str, ...]:
    """Names of those who can decide a question: by role, without whoever asked."""
    found = people_with(session, asked.business, roles_asked(asked))
    return tuple(person.name for person in found if person.id != asked.asked_by)


# --- filters ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Narrowed:
    """What narrows a list; all of it stands in the address."""

    base: str
    query: Mapping[str, str]
    chips: tuple[Chip, ...]

    def get(self, name: str) -> str:
        return self.query.get(name, "")

    def link(self, **more: str) -> str:
        """The address with other values; an empty one is left out, and so is the place in the list."""
        query = {**{name: value for name, value in self.query.items() if name != "cursor"}, **more}
        return link(self.base, {name: value for name, value in query.items() if value})

    def following(self, cursor: str | None) -> str | None:
        return self.link(cursor=cursor) if cursor else None

    @property
    def first(self) -> str | None:
        return self.link() if "cursor" in self.query else None


def narrowed(visit: Visit, base: str, labels: Mapping[str, str], kinds: Mapping[str, str] | None = None) -> Narrowed:
    """The filters of this request: of `labels`, those that are set; `kinds` names the badges of their values."""
    known = {*labels, "cursor"}
    query = {
        name: value.strip()[:200]
        for name, value in visit.request.query_params.items()
        if name in known and value.strip()
    }
    bare = Narrowed(base, query, ())
    chips = tuple(
        Chip(label, query[name], bare.link(**{name: ""}), (kinds or {}).get(name, ""))
        for name, label in labels.items()
        if name in query
    )
    return Narrowed(base, query, chips)


def chosen(options: Mapping[str, T], value: str) -> tuple[T, ...]:
    """The one option of that name; none where there is no such one."""
    return (options[value],) if value in options else ()


def read_day(text: str, name: str) -> date:
    """A day such as 2026-11-27. Raises `InvalidError` naming the field."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidError("console.input_wrong", N_("Write a day such as 2026-11-27."), field=name) from None


def read_minor(text: str, currency: str, name: str) -> int | None:
    """An amount such as 12.50 in minor units; blank is none. Raises `InvalidError` naming the field."""
    return read_money(text, currency, field=name) if text else None


def read_bps(text: str, name: str) -> int:
    """A percentage such as 12.5 in basis points; blank is nothing. Raises `InvalidError` naming the field."""
    return read_rate(text, field=name) if text else 0


# --- acts -------------------------------------------------------------------------------------------------------


async def run(
    visit: Visit,
    process: str,
    read: Callable[[], dict[str, Any]],
    *,
    to: str,
    show: Callable[[Refused], Response],
    subject: str,
) -> Response:
    """Start a process from a form. Well: back to `to`, which says what became of it; refused: the page again, values kept.

    `read` reads the form; what it raises is shown like a refusal of the process.
    """
    try:
        body = await run_in_threadpool(read)
        audited = {name: str(value) for name, value in body.items() if name != "content"}
        return await perform(visit, process=process, body=body, subject=subject, back=to, audited=audited)
    except PlatformError as error:
        return await run_in_threadpool(show, Refused.of(error))
