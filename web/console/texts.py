"""Languages: the catalogue of Chinese texts, read from the .po file at start; English is the source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from web.access.contract import Language

LOCALE = Path(__file__).parent.parent / "locale"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for a text that is translated where it is shown
    """Mark a text for the catalogue."""
    return text


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its values, translated where it is shown."""

    text: str
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, text: str, **values: object) -> Note:
        return cls(text, tuple((name, str(value)) for name, value in values.items()))

    def say(self, language: Language) -> str:
        said = translations(language).ugettext(self.text)
        return said % dict(self.values) if self.values else said


@lru_cache
def translations(language: Language) -> NullTranslations:
    """Compiled in memory, so that no generated file has to be kept in step."""
    source = LOCALE / language.value / "LC_MESSAGES" / "console.po"
    if not source.exists():
        return NullTranslations()
    compiled = BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language.value))
    compiled.seek(0)
    return Translations(fp=compiled)
