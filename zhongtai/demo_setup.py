"""`python -m zhongtai demo`: what `make up` does about data, for installations that start their parts themselves."""

from __future__ import annotations

from capabilities.kernel.database import transaction
from capabilities.kernel.settings import Settings
from zhongtai.demo import load_demo
from zhongtai.demo_access import write_demo_json
from zhongtai.state import State
from zhongtai.terminal import Terminal
from zhongtai.up import show_panel


def run_demo(settings: Settings, terminal: Terminal) -> None:
    """Load data, keys and accounts; a second run changes nothing."""
    state = State(settings.state_folder.resolve())
    state.make()
    with terminal.step("Demo data"), transaction() as session:
        load_demo(session)
    with transaction() as session:
        facts = write_demo_json(session, state, settings)
    show_panel(terminal, facts, state)
