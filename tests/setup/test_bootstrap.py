"""Making the environment: what is missing is named with its mend; an unchanged lock costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from zhongtai import bootstrap

ROOT = Path(__file__).resolve().parents[2]
SHELL = ROOT / "zhongtai" / "bootstrap.sh"


def run(path: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", SHELL, *(arguments or ("production",))],
        env={"PATH": path, "HOME": os.environ["HOME"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def fake_python(folder: Path, name: str, exit_code: int, says: str = "") -> None:
    """A program of that name which answers every question with the same exit code and leaves a note when it is chosen."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\nif [ "$1" = -I ]; then echo "{says} $3"; exit 0; fi\nexit {exit_code}\n')
    program.chmod(0o755)


def test_the_newest_python_that_fits_is_taken_and_names_that_do_not_run_are_passed_over(tmp_path):
    fake_python(tmp_path / "bin", "python3.13", 127)
    fake_python(tmp_path / "bin", "python3.12", 0, "twelve")
    fake_python(tmp_path / "bin", "python3.11", 0, "eleven")
    answer = run(f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert answer.stdout == "twelve production\n"


def test_a_python_of_ones_own_choice_is_taken(tmp_path):
    fake_python(tmp_path / "bin", "python3.13", 0, "thirteen")
    fake_python(tmp_path / "bin", "mine", 0, "mine")
    assert run(f"{tmp_path / 'bin'}:/usr/bin:/bin", "dev", PYTHON=str(tmp_path / "bin" / "mine")).stdout == "mine dev\n"


def test_without_a_fitting_python_one_sentence_says_how_to_get_one(tmp_path):
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        fake_python(tmp_path / "bin", name, 1)
    answer = run(f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert answer.returncode == 1
    assert answer.stderr.startswith("There is no Python 3.11, 3.12 or 3.13 on PATH. Install one")
    chosen = run("/usr/bin:/bin", PYTHON=str(tmp_path / "bin" / "python3"))
    assert chosen.returncode == 1
    assert "is not a Python 3.11, 3.12 or 3.13" in chosen.stderr


def test_a_missing_compiler_is_named_before_anything_is_made(tmp_path):
    (tmp_path / "empty").mkdir()
    answer = subprocess.run(
        [sys.executable, "-I", ROOT / "zhongtai" / "bootstrap.py", "production"],
        env={"PATH": str(tmp_path / "empty"), "ZHONGTAI_VENV": str(tmp_path / "venv"), "CC": "cc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "setup: There is no C compiler, and durable_rules is built from source." in answer.stderr
    assert "apt-get install build-essential" in answer.stderr
    assert not (tmp_path / "venv").exists()


def test_missing_headers_and_a_missing_venv_module_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    monkeypatch.setitem(sys.modules, "venv", None)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    sentences = "\n".join(bootstrap.missing_parts())
    assert f"apt-get install python{version}-venv" in sentences
    assert f"The C headers of Python {version} are missing (Python.h)" in sentences
    assert f"apt-get install python{version}-dev" in sentences


def test_an_environment_that_is_up_to_date_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHONGTAI_VENV", str(tmp_path / "venv"))
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    locks = {name: bootstrap.fingerprint(ROOT / "requirements" / f"{name}.txt") for name in ("production", "dev")}
    (tmp_path / "venv" / "zhongtai-lock.json").write_text(json.dumps(locks))
    monkeypatch.setattr(bootstrap, "install", lambda *_: pytest.fail("nothing is to be installed"))
    monkeypatch.setattr(bootstrap, "make_venv", lambda *_: pytest.fail("nothing is to be made"))
    monkeypatch.setattr(bootstrap, "usable", lambda _: True)
    bootstrap.bootstrap("dev")


def test_a_changed_lock_is_installed_and_remembered_only_when_it_went_well(tmp_path, monkeypatch):
    venv = tmp_path / "venv"
    venv.mkdir()
    monkeypatch.setenv("ZHONGTAI_VENV", str(venv))
    (venv / "zhongtai-lock.json").write_text(json.dumps({"production": "old", "dev": "kept"}))
    monkeypatch.setattr(bootstrap, "usable", lambda _: True)
    done: list[str] = []

    def fail(_: Path, name: str, *__: str) -> None:
        done.append(name)
        if name == "production":
            raise bootstrap.BootstrapError("no network")

    monkeypatch.setattr(bootstrap, "install", fail)
    with pytest.raises(bootstrap.BootstrapError):
        bootstrap.bootstrap("production")
    assert done == ["build", "production"]
    assert bootstrap.stamp_of(venv) == {}
    monkeypatch.setattr(bootstrap, "install", lambda _, name, *__: done.append(name))
    bootstrap.bootstrap("production")
    assert set(bootstrap.stamp_of(venv)) == {"production"}
    assert done[2:] == ["build", "production"]


def test_a_failed_installation_tells_pips_last_lines(tmp_path, monkeypatch):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text("#!/bin/sh\necho 'ERROR: no matching distribution'\nexit 1\n")
    (venv / "bin" / "python").chmod(0o755)
    monkeypatch.setattr(bootstrap.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "False"))
    with pytest.raises(bootstrap.BootstrapError, match="ERROR: no matching distribution"):
        bootstrap.install(venv, "production")


@pytest.mark.parametrize("name", ["build", "production", "dev"])
def test_every_line_of_a_lock_is_pinned_and_hashed(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = [entry for entry in text.replace("\\\n", "").splitlines() if entry and not entry.startswith((" ", "#"))]
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
