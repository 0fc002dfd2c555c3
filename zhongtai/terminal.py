"""What the command says on a terminal: steps with their time, sentences, the panel at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from capabilities.kernel.errors import PlatformError


class Terminal:
    """A terminal, or a log file when started in the background; plain where it is not a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A sentence, at the time it happened."""
        self.console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), text))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A piece of work: alive while it lasts, its time afterwards."""
        started = time.monotonic()
        try:
            if self.console.is_terminal:
                with self.console.status(title):
                    yield
            else:
                self.say(f"{title} …")
                yield
        except BaseException:
            self.console.print(Text.assemble(("✗ ", "bold red"), title))
            raise
        self.console.print(Text.assemble(("✓ ", "bold green"), title, (f"  {time.monotonic() - started:.1f} s", "dim")))

    def fail(self, error: PlatformError) -> None:
        """What went wrong and how to mend it."""
        body = Text(error.message)
        if error.mend:
            body.append(f"\n{error.mend}", style="bold")
        if self.console.is_terminal:
            self.console.print(Panel(body, title=error.code, border_style="red", title_align="left"))
        else:
            self.console.print(Text(f"{error.code}: "), body, sep="")

    def show(self, title: str, body: Text) -> None:
        """A panel whose long lines stay whole, so that they can be copied."""
        self.console.rule(title, align="left", style="green")
        self.console.print(body)
        self.console.rule(style="green")
