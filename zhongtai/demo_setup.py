"""`python -m zhongtai demo`: what `make up` does about data, for installations that start their parts themselves."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from sqlalchemy.orm import Session

from capabilities.kernel.database import transaction
from capabilities.kernel.settings import Settings
from zhongtai.demo_access import write_demo_json
from zhongtai.state import State
from zhongtai.terminal import Terminal
from zhongtai.up import show_panel


def run_demo(settings: Settings, terminal: Terminal) -> None:
    """Load data, keys and accounts; a second run changes nothing."""
    state = State(settings.state_folder.resolve())
    state.make()
    load_demo: Callable[[Session], None] = importlib.import_module("zhongtai.demo").load_demo
    with terminal.step("Demo data"), transaction() as session:
        load_demo(session)
    with transaction() as session:
        facts = write_demo_json(session, state, settings)
    show_panel(terminal, facts, state)
