"""A posted form while it is read: what was typed, what it means, and what is wrong with it, field by field."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from starlette.datastructures import FormData, UploadFile

from capabilities.kernel.errors import InvalidError, PlatformError
from web.console.rule_input import plain, read_moment, read_money, read_number
from web.console.texts import N_
from web.console.visit import Visit


class Typed:
    """Reads fields one after another and collects every refusal, so that a person sees them all at once.

    What was typed stays in `values` and is shown again. `mend` says what to do, where a process refused.
    """

    def __init__(self, visit: Visit, names: Collection[str] = (), **first: str) -> None:
        form = getattr(visit.request.state, "form", None) or FormData()
        self.values: dict[str, str] = dict.fromkeys(names, "") | first
        self.lists: dict[str, list[str]] = {}
        for name in form:
            found = [value for value in form.getlist(name) if isinstance(value, str)]
            if found and name != "csrf":
                self.values[name], self.lists[name] = found[0].strip(), found
        self.errors: dict[str, str] = {}
        self.mend: str | None = None
        self._visit = visit

    @property
    def is_good(self) -> bool:
        return not self.errors

    def get(self, name: str) -> str:
        return self.values.get(name, "")

    def all(self, name: str) -> list[str]:
        """Every value of a name: boxes that are checked."""
        return self.lists.get(name, [])

    def wrong(self, name: str, message: str) -> None:
        self.errors.setdefault(name, message)

    def refused(self, error: PlatformError) -> None:
        """What a process answered, at the field it names, else above the form."""
        field = str(error.details.get("field") or "form")
        self.errors.setdefault(field if field in self.values else "form", error.message)
        self.mend = error.mend

    def text(self, name: str, *, most: int = 200, needed: bool = False) -> str:
        text = self.get(name)
        if needed and not text:
            self.wrong(name, N_("This cannot stay blank."))
        if len(text) > most:
            self.wrong(name, N_("This is too long."))
        return text[:most]

    def choice(self, name: str, choices: Collection[str]) -> str:
        chosen = self.get(name)
        if chosen not in choices:
            self.wrong(name, N_("Choose one."))
        return chosen

    def number(self, name: str, *, least: int = 0, most: int = 10**12, needed: bool = False) -> int | None:
        return self._read(name, lambda text: read_number(text, field=name), least, most, needed=needed)

    def money(self, name: str, currency: str, *, least: int = 0, needed: bool = False) -> int | None:
        """Minor units. `least` below 0 takes amounts with a minus."""

        def read(text: str) -> int:
            bare = plain(text).replace("−", "-")
            if least < 0 and bare.startswith("-"):
                return -read_money(bare[1:], currency, field=name)
            return read_money(bare, currency, field=name)

        return self._read(name, read, least, 10**15, needed=needed)

    def moment(self, name: str) -> datetime | None:
        try:
            return read_moment(self.get(name), self._visit.business.zone, field=name)
        except InvalidError as error:
            self.wrong(name, error.message)
            return None

    def _read(self, name: str, read: Callable[[str], int], least: int, most: int, *, needed: bool) -> int | None:
        if not self.get(name):
            if needed:
                self.wrong(name, N_("A value is needed here."))
            return None
        try:
            value = read(self.get(name))
        except InvalidError as error:
            self.wrong(name, error.message)
            return None
        if value < least:
            self.wrong(name, N_("This is too little."))
        elif value > most:
            self.wrong(name, N_("This is too much."))
        return value


async def file_text(visit: Visit, name: str) -> str:
    """The text of a file that was sent with the form; blank where none was. Spreadsheets write UTF-8 or GB 18030."""
    sent = visit.form.get(name)
    if not isinstance(sent, UploadFile):
        return ""
    content = await sent.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", errors="replace")
