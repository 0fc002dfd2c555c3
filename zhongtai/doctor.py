"""`python -m zhongtai doctor`: each thing the product needs here, whether it is there, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.text import Text
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from capabilities.kernel.database import normalized_url
from capabilities.kernel.errors import PlatformError
from capabilities.kernel.settings import Settings
from zhongtai import bootstrap, temporal
from zhongtai.ports import busy_sentences, ports_of
from zhongtai.postgres import is_ready
from zhongtai.state import State
from zhongtai.terminal import Terminal

ENOUGH_BYTES = 2_000_000_000
CHROMIUM_PLACES = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


class Verdict(StrEnum):
    GOOD = "good"
    HINT = "hint"
    """Something works less well, or is needed for tests only."""
    BAD = "bad"


SIGNS = {Verdict.GOOD: ("✓", "green"), Verdict.HINT: ("!", "yellow"), Verdict.BAD: ("✗", "bold red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `mend` says what to do unless all is good."""

    subject: str
    verdict: Verdict
    seen: str
    mend: str = ""


def check_python() -> Finding:
    version = platform.python_version()
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    seen = f"{version} at {sys.executable}"
    if fits:
        return Finding("Python", Verdict.GOOD, seen)
    return Finding("Python", Verdict.BAD, seen, "Use 3.11, 3.12 or 3.13: make up PYTHON=/path/to/python3")


def check_packages() -> Finding:
    """Whether the environment holds what the lock files say."""
    stamp = bootstrap.stamp_of(Path(sys.prefix))
    wanted = bootstrap.fingerprint(bootstrap.ROOT / "requirements" / "production.txt")
    if stamp.get("production") == wanted:
        return Finding("Packages", Verdict.GOOD, "as requirements/production.txt says")
    seen = "not what requirements/production.txt says" if stamp else "installed by other means than `make`"
    return Finding("Packages", Verdict.HINT, seen, "`make production` installs them.")


def check_build_tools() -> Finding:
    missing = bootstrap.missing_parts()
    if not missing:
        return Finding("Build tools", Verdict.GOOD, f"C compiler {bootstrap.compiler()}, Python headers, venv")
    # what was built stays: they are needed when the lock file changes
    return Finding("Build tools", Verdict.HINT, "incomplete", " ".join(missing))


def check_disk(state: State) -> Finding:
    place = next(folder for folder in (state.folder, *state.folder.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    seen = f"{free / 1e9:.1f} GB free at {place}"
    if free >= ENOUGH_BYTES:
        return Finding("Disk", Verdict.GOOD, seen)
    return Finding(
        "Disk", Verdict.BAD, seen, f"Make room: {ENOUGH_BYTES / 1e9:.0f} GB are wanted, or move ZHONGTAI_STATE_FOLDER."
    )


def check_state(state: State) -> Finding:
    if state.folder.exists() and not os.access(state.folder, os.W_OK):
        return Finding(
            "State folder", Verdict.BAD, f"{state.folder} is not writable", "Give it to the user who runs this."
        )
    return Finding(
        "State folder", Verdict.GOOD, f"{state.folder}{'' if state.folder.exists() else ' (made at the first start)'}"
    )


def check_ports(settings: Settings, state: State) -> Finding:
    ports = ports_of(settings)
    numbers = ", ".join(str(port.number) for port in ports)
    if state.is_claimed():
        return Finding("Ports", Verdict.GOOD, f"{numbers} are used by the installation that runs here")
    sentences = busy_sentences(ports)
    if not sentences:
        return Finding("Ports", Verdict.GOOD, f"{numbers} are free")
    return Finding("Ports", Verdict.BAD, f"{len(sentences)} of {numbers} taken", "\n".join(sentences))


def check_database(settings: Settings, state: State) -> Finding:
    if settings.database_url is None:
        seen = "runs" if is_ready(state.postgres) else "starts with `make up`"
        return Finding("PostgreSQL", Verdict.GOOD, f"embedded; {seen}")
    engine = create_engine(normalized_url(settings.database_url), connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version")).scalar()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        return Finding(
            "PostgreSQL",
            Verdict.BAD,
            f"DATABASE_URL does not answer: {reason}",
            "Is it running, are name and password right?",
        )
    finally:
        engine.dispose()
    return Finding("PostgreSQL", Verdict.GOOD, f"DATABASE_URL answers, version {version}")


def check_temporal(settings: Settings) -> Finding:
    if settings.temporal_address is not None:
        try:
            temporal.await_temporal(settings.temporal_address, namespace=settings.temporal_namespace, within_s=2)
        except PlatformError as error:
            return Finding("Temporal", Verdict.BAD, error.message, error.mend or "")
        return Finding("Temporal", Verdict.GOOD, f"TEMPORAL_ADDRESS {settings.temporal_address} answers")
    on_path = shutil.which("temporal")
    for found in (on_path, temporal.cache_folder() / "temporal"):
        if found is not None and temporal.works(Path(found)):
            return Finding("Temporal", Verdict.GOOD, str(found))
    if shutil.which("go") is not None:
        return Finding(
            "Temporal",
            Verdict.HINT,
            "not here yet",
            "The first `make up` downloads it, or builds it with Go in 2 to 4 minutes.",
        )
    return Finding(
        "Temporal",
        Verdict.HINT,
        "not here yet, and no Go to build it",
        "The first `make up` tries the download; else install the Temporal command or Go, or set TEMPORAL_ADDRESS.",
    )


def chromium() -> str | None:
    """The browser that tests of pages drive."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    for place in CHROMIUM_PLACES:
        if Path(place).exists():
            return place
    bundled = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    return str(next(bundled.glob("chromium*"), "")) or None


def check_chromium() -> Finding:
    found = chromium()
    if found is not None:
        return Finding("Chromium", Verdict.GOOD, found)
    return Finding(
        "Chromium",
        Verdict.HINT,
        "not found (tests of pages need it)",
        "Debian: apt-get install chromium; or set CHROMIUM, or: .venv/bin/playwright install chromium",
    )


def findings(settings: Settings, state: State) -> Iterator[Finding]:
    """Every check in turn; one that breaks is a finding too."""
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("Python", check_python),
        ("Packages", check_packages),
        ("Build tools", check_build_tools),
        ("Disk", lambda: check_disk(state)),
        ("State folder", lambda: check_state(state)),
        ("Ports", lambda: check_ports(settings, state)),
        ("PostgreSQL", lambda: check_database(settings, state)),
        ("Temporal", lambda: check_temporal(settings)),
        ("Chromium", check_chromium),
    ]
    for subject, check in checks:
        try:
            yield check()
        except OSError as error:
            yield Finding(subject, Verdict.BAD, f"could not be looked at: {error}")


def run_doctor(settings: Settings, terminal: Terminal) -> int:
    """Print the report; 1 when something would stop `make up`."""
    state = State(settings.state_folder.resolve())
    bad = 0
    for finding in findings(settings, state):
        sign, style = SIGNS[finding.verdict]
        terminal.console.print(Text.assemble((f"{sign} ", style), (f"{finding.subject:<13}", "bold"), finding.seen))
        for line in finding.mend.splitlines():
            terminal.console.print(Text(f"{'':<15}→ {line}"))
        bad += finding.verdict is Verdict.BAD
    terminal.console.print(
        f"\n{bad} thing{'s' if bad != 1 else ''} to mend." if bad else "\nNothing stands in the way of `make up`."
    )
    return 1 if bad else 0
