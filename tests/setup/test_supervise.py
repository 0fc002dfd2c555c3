"""Supervision: what dies is started again with growing pauses and said; everything stops in order, by force if need be."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from capabilities.kernel.errors import UnavailableError
from zhongtai.processes import Known, end_known, ended, forget, recall, remember, spawn, stop_process
from zhongtai.supervise import ChildProcess, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def child(tmp_path: Path, name: str = "worker 1", command: list[str] = SLEEP, **changes) -> ChildProcess:
    return ChildProcess(
        name=name, command=command, log=tmp_path / f"{name}.log", run_folder=tmp_path / "run", **changes
    )


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said):
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop(ranks=[])


def look_until(supervisor: Supervisor, true, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        supervisor.look()
        time.sleep(0.02)


def test_a_killed_process_runs_again_and_the_terminal_says_so(tmp_path, supervisor, said):
    worker = child(tmp_path)
    supervisor.start(worker)
    first = worker.process
    assert first is not None
    first.kill()
    look_until(supervisor, lambda: worker.process is not first and worker.is_alive())
    assert said[0].startswith("worker 1 was killed (signal 9). Log: ")
    assert said[0].endswith("Starting it again in 0.5 s.")
    assert said[1] == "worker 1 runs again."
    assert recall(tmp_path / "run")[0].pid == worker.process.pid


def test_one_that_dies_again_and_again_waits_longer_each_time(tmp_path, supervisor, said, monkeypatch):
    monkeypatch.setattr("zhongtai.supervise.BACK_OFF_S", (0.01, 0.02, 0.04))
    supervisor.start(child(tmp_path, command=[sys.executable, "-c", "print('no database'); raise SystemExit(3)"]))
    look_until(supervisor, lambda: len([line for line in said if "again in" in line]) >= 4)
    pauses = [line.rsplit(" in ", 1)[1] for line in said if "again in" in line]
    assert pauses[:4] == ["0.01 s.", "0.02 s.", "0.04 s.", "0.04 s."]
    assert "ended (exit 3): no database Log: " in said[0]


def test_a_start_that_ends_instead_of_becoming_ready_fails_with_its_last_line_and_its_log(tmp_path, supervisor):
    broken = child(tmp_path, command=[sys.executable, "-c", "raise SystemExit('the port is taken')"])
    supervisor.start(broken)
    with pytest.raises(UnavailableError, match=r"worker 1 ended \(exit 1\): the port is taken") as raised:
        supervisor.await_ready(broken, lambda: "not yet", within_s=20)
    assert str(broken.log) in str(raised.value)


def test_a_start_that_takes_too_long_fails_with_what_was_missing(tmp_path, supervisor):
    slow = child(tmp_path)
    supervisor.start(slow)
    with pytest.raises(UnavailableError, match=r"not ready within 0\.2 s: the page answers 503 Its log: "):
        supervisor.await_ready(slow, lambda: "the page answers 503", within_s=0.2)


def test_everything_stops_rank_by_rank_and_by_force_where_asking_does_not_help(tmp_path, said):
    supervisor = Supervisor(said.append)
    web, worker = child(tmp_path, "web"), child(tmp_path, command=STUBBORN, stop_within_s=0.3)
    supervisor.start(web)
    supervisor.start(worker)
    look_until(supervisor, lambda: "up" in worker.log.read_text())
    supervisor.stop(ranks=[["web"], ["worker"]])
    assert web.process is not None
    assert worker.process is not None
    assert web.process.returncode == -signal.SIGTERM
    assert worker.process.returncode == -signal.SIGKILL
    assert recall(tmp_path / "run") == []
    assert said == []


def test_a_pid_file_knows_its_process_and_not_a_later_one_with_the_same_number(tmp_path):
    process = spawn(SLEEP, tmp_path / "log")
    try:
        known = remember(tmp_path / "run", "web", process.pid)
        assert recall(tmp_path / "run") == [known]
        assert known.process() is not None
        assert Known("web", process.pid, known.started - 100).process() is None
    finally:
        stop_process(process)
    assert known.process() is None
    forget(tmp_path / "run", "web")
    assert recall(tmp_path / "run") == []


def test_a_remembered_process_is_ended_even_when_it_does_not_listen(tmp_path):
    process = spawn(STUBBORN, tmp_path / "log")
    known = remember(tmp_path / "run", "web", process.pid)
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.02)
    assert end_known(known, within_s=0.2)
    assert ended(psutil.Process(process.pid), within_s=5)
    process.wait()
    assert not end_known(known)


def test_an_unreadable_pid_file_says_nothing_and_is_removed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "web.json").write_text('{"name": "web"')
    assert recall(tmp_path / "run") == []
    assert not (tmp_path / "run" / "web.json").exists()


def test_children_do_not_hear_the_terminals_ctrl_c(tmp_path):
    process = spawn(SLEEP, tmp_path / "log")
    try:
        assert os.getpgid(process.pid) != os.getpgid(0)
    finally:
        stop_process(process)
