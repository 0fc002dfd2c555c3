"""The whole product on one machine, as its users start it: real processes, real servers, free ports, a folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import free_port
from zhongtai.processes import ended, is_alive, recall
from zhongtai.state import State

ROOT = Path(__file__).resolve().parents[2]


class Installed:
    """An installation in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "state")
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("ZHONGTAI_") and name not in {"DATABASE_URL", "TEMPORAL_ADDRESS"}
        } | {
            "ZHONGTAI_STATE_FOLDER": str(self.state.folder),
            "ZHONGTAI_WORKERS": "2",
            **{
                f"ZHONGTAI_{name}": str(free_port())
                for name in (
                    *("PORT", "SHOP_PORT", "FINANCE_PORT", "LOGISTICS_PORT", "TOURISM_PORT"),
                    *("TEMPORAL_PORT", "TEMPORAL_UI_PORT"),
                )
            },
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "zhongtai", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def facts(self) -> dict:
        return json.loads(self.state.demo_file.read_text())

    def processes(self) -> dict[str, psutil.Process]:
        found = {known.name: known.process() for known in recall(self.state.run)}
        return {name: process for name, process in found.items() if process is not None}

    def buy(self, **changes: str) -> httpx.Response:
        example = self.facts()["example_checkout"]
        headers = example["headers"] | changes
        return httpx.post(example["url"], headers=headers, json=example["body"], timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """One folder for all tests here, stopped at the end."""
    machine = Installed(tmp_path_factory.mktemp("installation"))
    yield machine
    machine.run("stop")


@pytest.fixture
def installed(machine: Installed) -> Installed:
    """The installation, running, in whatever state an earlier test left it."""
    if not machine.state.ready_file.exists():
        started = machine.run("start")
        assert started.returncode == 0, started.stdout + started.stderr
        assert "Zhongtai is ready" in started.stdout
    return machine


def test_the_demo_file_says_all_that_scripts_need_and_only_its_owner_reads_it(installed):
    facts = installed.facts()
    assert stat.S_IMODE(installed.state.demo_file.stat().st_mode) == 0o600
    port = installed.environment["ZHONGTAI_PORT"]
    assert facts["console_url"] == f"http://127.0.0.1:{port}/console"
    assert facts["api_url"] == f"http://127.0.0.1:{port}/api/v1"
    assert set(facts["api_keys"]) == {"retail", "finance", "logistics", "tourism"}
    assert all(key.startswith(f"zk_{business}_") for business, key in facts["api_keys"].items())
    assert {account["role"] for account in facts["accounts"]} == {"editor", "approver", "operator", "admin", "auditor"}
    assert all(set(account) == {"name", "role", "password"} for account in facts["accounts"])
    assert set(facts["example_checkout"]) == {"url", "headers", "body"}


def test_the_example_is_an_order_in_one_answer_and_again_the_same_bytes(installed):
    first = installed.buy()
    assert first.status_code == 201, first.text
    again = installed.buy()
    assert (again.status_code, again.content) == (201, first.content)
    other = installed.buy(**{"Idempotency-Key": "another"})
    assert other.status_code == 201
    assert other.json()["order_id"] != first.json()["order_id"]


def test_the_command_printed_at_the_end_of_a_start_can_be_pasted(installed):
    printed = installed.run("start")
    assert "Zhongtai runs here already." in printed.stdout
    command = next(line.strip() for line in printed.stdout.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(answer.stdout)["status"] == "confirmed", answer.stdout


def test_console_and_front_ends_answer(installed):
    facts = installed.facts()
    assert set(facts["front_urls"]) == {"retail", "finance", "logistics", "tourism"}
    assert facts["shop_url"] == facts["front_urls"]["retail"]
    for url in facts["front_urls"].values():
        assert httpx.get(url, trust_env=False).status_code == 200
    assert httpx.get(facts["console_url"], follow_redirects=True, trust_env=False).status_code == 200
    assert httpx.get(facts["shop_url"], follow_redirects=True, trust_env=False).status_code == 200


def test_a_killed_worker_runs_again(installed):
    before = installed.processes()["worker-1"]
    before.kill()
    deadline = time.monotonic() + 60
    while installed.processes().get("worker-1") in {None, before}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "worker 1 was killed (signal 9)" in (installed.state.logs / "up.log").read_text()
    assert installed.buy(**{"Idempotency-Key": "after-a-kill"}).status_code == 201


def test_a_second_up_beside_it_is_refused_with_a_sentence(installed):
    answer = installed.run("up")
    assert answer.returncode == 1
    assert "runs here already" in answer.stdout
    assert "make stop" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


def test_a_taken_port_stops_the_start_and_leaves_nothing_running(installed, tmp_path):
    other = Installed(tmp_path)
    other.environment["ZHONGTAI_PORT"] = installed.environment["ZHONGTAI_PORT"]
    answer = other.run("start")
    assert answer.returncode == 1
    assert re.search(r"Port \d+, meant for the console and the API, is taken by python.*\(pid \d+", answer.stdout)
    assert "ZHONGTAI_PORT" in answer.stdout
    assert str(other.state.logs / "up.log") in answer.stdout
    assert other.processes() == {}


def test_the_doctor_finds_nothing_to_mend_beside_a_running_installation(installed):
    answer = installed.run("doctor")
    assert answer.returncode == 0, answer.stdout
    assert "are used by the installation that runs here" in answer.stdout
    assert "embedded; runs" in answer.stdout


def test_after_a_killed_supervisor_the_next_start_ends_what_was_left_and_keeps_the_data(installed):
    order = installed.buy().json()["order_id"]
    left = installed.processes()
    supervisor = left.pop("supervisor")
    supervisor.send_signal(signal.SIGKILL)
    assert ended(supervisor, within_s=10)
    assert all(is_alive(process) for process in left.values())
    answer = installed.run("start")
    assert answer.returncode == 0, answer.stdout
    assert "An earlier run was killed and had left" in answer.stdout
    assert not any(is_alive(process) for process in left.values())
    assert installed.buy().json()["order_id"] == order


def test_stopped_and_started_again_nothing_is_made_twice_and_data_keys_and_accounts_are_kept(installed):
    facts = installed.facts()
    order = installed.buy().json()["order_id"]
    stopped = installed.run("stop")
    assert "Stopped; the data is kept." in stopped.stdout
    assert installed.processes() == {}
    assert installed.run("stop").stdout.strip().endswith("Nothing was running.")
    again = installed.run("start")
    assert again.returncode == 0
    assert "kept from an earlier run" in again.stdout or "found on PATH" in again.stdout
    assert installed.facts() == facts
    assert installed.buy().json()["order_id"] == order


def test_lost_demo_keys_are_made_anew_and_the_old_ones_end(installed):
    before = installed.facts()
    installed.run("stop")
    installed.state.demo_file.unlink()
    assert installed.run("start").returncode == 0
    after = installed.facts()
    assert set(after["api_keys"].values()).isdisjoint(before["api_keys"].values())
    assert {account["password"] for account in after["accounts"]}.isdisjoint(
        {account["password"] for account in before["accounts"]}
    )
    old = before["example_checkout"]["headers"]["Authorization"]
    assert installed.buy(Authorization=old).status_code == 401
    assert installed.buy(**{"Idempotency-Key": "with-the-new-key"}).status_code == 201


def test_ctrl_c_stops_everything_cleanly(installed):
    installed.run("stop")
    with subprocess.Popen(
        [sys.executable, "-m", "zhongtai", "up"],
        cwd=ROOT,
        env=installed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as up:
        deadline = time.monotonic() + 180
        while not installed.state.ready_file.exists():
            assert up.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        running = installed.processes()
        assert len(running) >= 5
        up.send_signal(signal.SIGINT)
        said, _ = up.communicate(timeout=60)
    assert up.returncode == 0, said
    assert "Stopped; the data is kept." in said
    assert "Traceback" not in said
    assert installed.processes() == {}
    assert not (installed.state.postgres / "postmaster.pid").exists()


def test_reset_forgets_the_data(installed):
    assert "Forgotten:" in installed.run("reset").stdout
    assert not installed.state.postgres.exists()
    assert not installed.state.demo_file.exists()
