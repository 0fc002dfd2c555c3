"""The doctor: every trouble has its mend beside it, and only what stops a start makes it fail."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from rich.console import Console

from capabilities.kernel.settings import Settings
from tests.conftest import free_port
from zhongtai import bootstrap, doctor
from zhongtai.doctor import Verdict, run_doctor
from zhongtai.postgres import start_postgres, stop_postgres
from zhongtai.state import State
from zhongtai.terminal import Terminal


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@pytest.fixture(autouse=True)
def other_fronts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The front-ends beside the shop are moved out of the way of an installation that runs here."""
    for business in ("FINANCE", "LOGISTICS", "TOURISM"):
        monkeypatch.setenv(f"ZHONGTAI_{business}_PORT", str(free_port()))


def settings(state: State, **changes: object) -> Settings:
    ports = {name: free_port() for name in ("port", "shop_port", "temporal_port", "temporal_ui_port")}
    return Settings.model_validate({"state_folder": state.folder, **ports, **changes})


def report(settings: Settings) -> tuple[int, str]:
    written = io.StringIO()
    code = run_doctor(settings, Terminal(Console(file=written, width=200, soft_wrap=True, highlight=False)))
    return code, written.getvalue()


def test_every_subject_is_looked_at_on_a_machine_where_all_is_well(state, monkeypatch):
    monkeypatch.setattr(doctor, "check_temporal", lambda _: doctor.Finding("Temporal", Verdict.GOOD, "there"))
    code, text = report(settings(state))
    for subject in ("Python", "Packages", "Build tools", "Disk", "State folder", "Ports", "PostgreSQL", "Chromium"):
        assert subject in text
    assert code == 0
    assert "Nothing stands in the way of `make up`." in text


def test_a_taken_port_is_to_be_mended(state):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = report(settings(state, port=taken.getsockname()[1]))
    assert code == 1
    assert "✗ Ports" in text
    assert "set ZHONGTAI_PORT to a free port" in text
    assert "1 thing to mend." in text


def test_a_database_that_does_not_answer_is_to_be_mended(state):
    finding = doctor.check_database(
        settings(state, database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"), state
    )
    assert finding.verdict is Verdict.BAD
    assert "DATABASE_URL does not answer: connection failed" in finding.seen
    assert finding.mend


def test_a_database_that_answers_says_its_version(state, tmp_path):
    url = start_postgres(tmp_path / "elsewhere")
    try:
        finding = doctor.check_database(settings(state, database_url=url), state)
    finally:
        stop_postgres(tmp_path / "elsewhere", how="immediate")
    assert (finding.verdict, finding.seen) == (Verdict.GOOD, "DATABASE_URL answers, version 18.4")


def test_a_temporal_server_that_does_not_answer_is_to_be_mended(state):
    address = f"127.0.0.1:{free_port()}"
    finding = doctor.check_temporal(settings(state, temporal_address=address))
    assert finding.verdict is Verdict.BAD
    assert f"The Temporal server at {address} did not become ready" in finding.seen


def test_without_a_temporal_server_the_ways_to_get_one_are_named(state, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = doctor.check_temporal(settings(state))
    assert finding.verdict is Verdict.HINT
    assert finding.seen == "not here yet, and no Go to build it"
    assert "TEMPORAL_ADDRESS" in finding.mend


def test_missing_build_tools_are_a_hint_while_what_was_built_still_stands(monkeypatch):
    monkeypatch.setattr(bootstrap, "compiler", lambda: None)
    finding = doctor.check_build_tools()
    assert finding.verdict is Verdict.HINT
    assert "apt-get install build-essential" in finding.mend


def test_a_full_disk_is_to_be_mended(state, monkeypatch):
    monkeypatch.setattr(doctor, "ENOUGH_BYTES", 10**18)
    finding = doctor.check_disk(state)
    assert finding.verdict is Verdict.BAD
    assert "ZHONGTAI_STATE_FOLDER" in finding.mend


def test_a_browser_that_is_named_but_missing_is_a_hint(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    finding = doctor.check_chromium()
    assert finding.verdict is Verdict.HINT
    assert "apt-get install chromium" in finding.mend


def test_packages_installed_by_other_means_are_said(monkeypatch):
    monkeypatch.setattr(bootstrap, "stamp_of", lambda _: {})
    assert doctor.check_packages().seen == "installed by other means than `make`"
    monkeypatch.setattr(bootstrap, "stamp_of", lambda _: {"production": "old"})
    assert doctor.check_packages().mend == "`make production` installs them."
