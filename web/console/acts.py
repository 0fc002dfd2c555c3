"""Acts: a page shows what something would do, its form does it through a process, and the page after says what became of it.

One shape for all: choose (a form of `GET`, so that what was chosen stands in the address), look (the server counts first:
a sentence of verb, number, object and money), do (a form of `POST` with what was looked at, frozen, and an idempotency key).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from capabilities.kernel.database import transaction
from capabilities.kernel.errors import ConflictError, InvalidError, PlatformError, RefusedError
from capabilities.kernel.identity import BusinessIdentity
from capabilities.kernel.ids import new_id
from web.access.audit import record_act
from web.console.catalogue import known_operations
from web.console.edge import STATUS
from web.console.effect_forms import Choice, FieldView
from web.console.pages import go, page
from web.console.texts import N_, translations
from web.console.visit import Visit
from web.starting import Ran, run_process
from workflows.inputs import typed_input
from workflows.library import definition_for

KEY = re.compile(r"act_[0-9A-Z]{26}")
MOST_REASON = 500


def words(visit: Visit, text: str, **values: object) -> str:
    """A text of the catalogue in the person's language; values are marked by their names."""
    said = translations(visit.operator.language).ugettext(text)
    return said % values if values else said


def pieces(visit: Visit, count: int) -> str:
    """How many pieces, in words."""
    return words(visit, N_("%(num)s piece") if count == 1 else N_("%(num)s pieces"), num=count)


@dataclass(frozen=True, slots=True)
class Table:
    """What an act would do, row by row; `numbers` are the columns of amounts."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foot: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What the act would do, as counted by the server, and the form that does exactly this."""

    sentence: str
    button: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[tuple[str, Table], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    note: str = ""
    frozen: tuple[tuple[str, str], ...] = ()
    fields: tuple[FieldView, ...] = ()
    is_dangerous: bool = False


@dataclass(frozen=True)
class ActPage:
    """One act as a page; in a dialog the same without its way back. `blocked` says why nothing can be done at all."""

    heading: str
    crumbs: tuple[tuple[str, str], ...]
    href: str
    back: str
    intro: str = ""
    fields: tuple[FieldView, ...] = ()
    preview: Preview | None = None
    empty: str = ""
    blocked: str = ""
    error: str = ""
    mend: str = ""
    key: str = field(default_factory=lambda: new_id("act"))


def show_act(visit: Visit, act: ActPage, *, status: int = 200) -> Response:
    """The page; its preview alone where the form that chooses asks again."""
    block = "preview" if visit.request.query_params.get("look") else "main"
    return page(visit, "act.html", act, block=block, status=status)


def input_of(
    name: str,
    label: str,
    value: str = "",
    *,
    control: str = "text",
    help_text: str = "",
    unit: str = "",
    optional: bool = False,
    choices: tuple[tuple[str, str], ...] = (),
    error: str | None = None,
) -> FieldView:
    """One input; `choices` are values with their labels."""
    chosen = tuple(Choice(code, said, code == value) for code, said in choices)
    return FieldView(name, label, control, value, help_text, unit, optional, chosen, error)


def reason_field(visit: Visit, value: str = "", *, help_text: str = "") -> FieldView:
    """Why: asked of everything that is audited."""
    return input_of("reason", words(visit, N_("Reason")), value, help_text=help_text)


def reason_of(visit: Visit) -> str:
    """The reason that was typed; `InvalidError` without one."""
    reason = visit.posted("reason")[:MOST_REASON]
    if not reason:
        raise InvalidError(
            "console.reason_missing", words(visit, N_("Say why: it stands in the audit.")), field="reason"
        )
    return reason


async def perform(
    visit: Visit,
    *,
    process: str,
    body: Mapping[str, Any],
    subject: str,
    back: str,
    scenario: str | None = None,
    audited: Mapping[str, Any] | None = None,
) -> Response:
    """Write the act down, run its process, and lead to the page that says what became of it.

    Raises a `PlatformError` with the process's own words where it said no; the caller shows its form again with it.
    """
    ran = await run_act(visit, process=process, body=body, subject=subject, scenario=scenario, audited=audited)
    mark = "&" if "?" in back else "?"
    return go(visit, f"{back}{mark}ran={ran.run_id}")


async def run_act(
    visit: Visit,
    *,
    process: str,
    body: Mapping[str, Any],
    subject: str,
    scenario: str | None = None,
    audited: Mapping[str, Any] | None = None,
) -> Ran:
    """`perform` for a page that answers by itself, as one that shows something only once."""
    key = visit.posted("key")
    if not KEY.fullmatch(key):
        raise InvalidError(
            "console.act_key_missing",
            words(visit, N_("This form was not sent from its page.")),
            mend=words(visit, N_("Load the page again and repeat what you did.")),
        )
    identity = BusinessIdentity(visit.business.business, scenario)
    asked = _typed(process, identity, body)
    await run_in_threadpool(_write_down, visit, process, subject, dict(audited or {}))
    ran = await run_process(
        visit.request,
        process=process,
        identity=identity,
        input=asked,
        client_id=f"console:{visit.operator.id}",
        key=key,
        actor=visit.operator.id,
    )
    _require_accepted(ran)
    return ran


def _typed(process: str, identity: BusinessIdentity, body: Mapping[str, Any]) -> dict[str, Any]:
    known_operations()
    name = definition_for(process, identity).definition.input
    try:
        return dict(typed_input(name, dict(body)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidError("console.act_unreadable", f"{place}: {first['msg']}", field=place) from None


def _write_down(visit: Visit, process: str, subject: str, detail: dict[str, Any]) -> None:
    with transaction() as session:
        record_act(
            session,
            business=visit.business.business,
            actor=visit.operator.id,
            action=f"acts.{process}",
            subject=subject,
            detail=detail,
        )


def _require_accepted(ran: Ran) -> None:
    """What the process answered: a refusal says its own reason, word for word."""
    if ran.answer is None or ran.answer.status < 400:
        return
    said = json.loads(ran.answer.body)
    kind = ConflictError if ran.answer.status == 409 else RefusedError
    named: dict[str, Any] = {"field": said["field"]} if isinstance(said.get("field"), str) else {}
    if isinstance(said.get("lines"), list):  # those of a file that cannot be read
        named["lines"] = said["lines"]
    raise kind(
        said.get("code") or "process.refused",
        said.get("detail") or said.get("title") or "",
        mend=said.get("mend"),
        **named,
    )


def status_of(error: PlatformError) -> int:
    """The status a refused form comes back with."""
    return STATUS[error.kind]
