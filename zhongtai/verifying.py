"""`python -m zhongtai verify`: every invariant by name, and what breaks it."""

from __future__ import annotations

from rich.table import Table

from capabilities.kernel.database import transaction
from capabilities.kernel.settings import Settings
from zhongtai.terminal import Terminal
from zhongtai.verify import verify


def run_verify(_: Settings, terminal: Terminal) -> int:
    """Print a row an invariant; 1 when one is broken."""
    with transaction() as session:
        results = verify(session)
    table = Table("No.", "Invariant", "Rows", "Broken", box=None)
    for result in results:
        style = "bold red" if result.broken else ""
        table.add_row(
            str(result.number),
            result.name,
            f"{result.rows:,}",
            str(len(result.broken)) if result.broken else "0",
            style=style,
        )
    terminal.console.print(table)
    broken = [result for result in results if result.broken]
    for result in broken:
        for example in list(result.broken)[:5]:
            terminal.say(f"{result.number} {result.name}: {example}")
    terminal.say(f"{len(results)} invariants, {len(broken)} broken.")
    return 1 if broken else 0
