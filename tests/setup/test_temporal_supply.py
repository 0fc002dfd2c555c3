"""Getting a Temporal server: in the stated order, once, whole; a broken or half-built one is mended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from capabilities.kernel.errors import UnavailableError
from zhongtai import temporal, temporal_supply
from zhongtai.temporal import DYNAMIC_CONFIG, find_temporal, server_command

GO = """#!/bin/sh
echo "go: downloading go.temporal.io/server v1.29.1"
echo "go.temporal.io/server/common"
echo "$@" >> "{calls}"
sleep {seconds}
[ {exit_code} = 0 ] || {{ echo "build failed: disk full"; exit {exit_code}; }}
printf '#!/bin/sh\\necho temporal version 1.5.1\\n' > "$GOBIN/temporal"
chmod +x "$GOBIN/temporal"
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache, nothing on PATH but a shell, and no way out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(temporal_supply, "download", lambda *_: None)
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def go(machine: Path, *, exit_code: int = 0, seconds: float = 0) -> Path:
    calls = machine / "calls"
    program(machine / "bin" / "go", GO.format(calls=calls, exit_code=exit_code, seconds=seconds))
    return calls


WORKING = "#!/bin/sh\necho temporal version 1.5.1\n"


def test_one_on_path_comes_first_and_is_said(machine):
    found = program(machine / "bin" / "temporal", WORKING)
    program(temporal.cache_folder() / "temporal", WORKING)
    said: list[str] = []
    assert find_temporal(said.append) == found
    assert said == [f"Temporal: taking {found}, found on PATH."]


def test_one_on_path_that_does_not_run_is_passed_over(machine):
    program(machine / "bin" / "temporal", "#!/bin/sh\nexit 1\n")
    cached = program(temporal.cache_folder() / "temporal", WORKING)
    said: list[str] = []
    assert find_temporal(said.append) == cached
    assert "does not run" in said[0]


def test_it_is_built_once_with_go_and_then_kept(machine):
    calls = go(machine)
    said: list[str] = []
    built = find_temporal(said.append)
    assert built == machine / "cache" / "zhongtai" / "bin" / "temporal"
    assert calls.read_text() == f"install -v {temporal_supply.MODULE}\n"
    assert "once and takes 2 to 4 minutes" in said[-2]
    assert said[-1].startswith("Temporal: built in ")
    assert find_temporal(said.append) == built
    assert calls.read_text().count("install") == 1
    assert list(built.parent.glob("building-*")) == []


def test_a_half_written_file_in_the_cache_is_removed_and_made_anew(machine):
    calls = go(machine)
    broken = program(temporal.cache_folder() / "temporal", "\x7fELF half")
    said: list[str] = []
    assert find_temporal(said.append) == broken
    assert temporal.works(broken)
    assert any("is broken (half written?); removed" in sentence for sentence in said)
    assert calls.read_text().count("install") == 1


def test_what_a_killed_build_left_is_cleared_away(machine):
    go(machine)
    left = temporal.cache_folder() / "building-4711"
    left.mkdir(parents=True)
    (left / "temporal").write_text("half")
    find_temporal(print)
    assert not left.exists()


def test_a_failed_build_leaves_nothing_and_says_why_and_the_two_ways_to_get_one(machine):
    go(machine, exit_code=1)
    said: list[str] = []
    with pytest.raises(UnavailableError) as raised:
        find_temporal(said.append)
    assert raised.value.code == "temporal.not_found"
    assert "TEMPORAL_ADDRESS" in str(raised.value.mend)
    assert "Go" in str(raised.value.mend)
    assert any("build failed: disk full" in sentence for sentence in said)
    assert not (temporal.cache_folder() / "temporal").exists()


def test_without_go_one_sentence_names_the_ways_to_get_a_server(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine / "bin"))
    said: list[str] = []
    with pytest.raises(UnavailableError):
        find_temporal(said.append)
    assert said == ["Temporal: there is no `go` on PATH to build it with."]


def test_two_at_once_build_it_once(machine):
    calls = go(machine, seconds=0.5)
    found: list[Path] = []
    said: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(find_temporal(said.append))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert calls.read_text().count("install") == 1
    assert any("another process is getting the server just now" in sentence for sentence in said)


def test_a_long_build_shows_that_it_lives(machine, monkeypatch):
    go(machine, seconds=1.5)
    monkeypatch.setattr(temporal_supply, "LIFE_SIGN_S", 0.2)
    said: list[str] = []
    find_temporal(said.append)
    assert any(sentence.startswith("Temporal: compiled 1 packages, about 0 %") for sentence in said)


def test_the_download_gives_up_quickly_where_its_site_is_not_reachable(tmp_path, monkeypatch):
    monkeypatch.setattr(temporal_supply, "DOWNLOAD_SITE", "http://127.0.0.1:9/")
    said: list[str] = []
    assert temporal_supply.download(tmp_path, said.append) is None
    assert said == ["Temporal: the SDK's download site is not reachable from here."]


def test_the_server_is_always_started_tuned_durable_and_on_loopback():
    command = server_command(Path("temporal"), port=1, ui_port=None, database_file=Path("t.db"))
    text = " ".join(command)
    assert DYNAMIC_CONFIG["history.transferProcessorMaxPollRPS"] == 2000
    assert all(f"--dynamic-config-value {key}={value}" in text for key, value in DYNAMIC_CONFIG.items())
    assert "--sqlite-pragma journal_mode=wal --sqlite-pragma synchronous=full" in text
    assert "--ip 127.0.0.1 --port 1 --headless --db-filename t.db" in text
    assert "--ui-port 8233" in " ".join(
        server_command(Path("temporal"), port=1, ui_port=8233, database_file=Path("t.db"))
    )


def test_a_server_that_ends_at_once_is_explained_with_its_last_line(tmp_path):
    broken = program(tmp_path / "temporal", "#!/bin/sh\necho 'address already in use'\nexit 1\n")
    process = temporal.start_temporal(
        broken, port=1, ui_port=None, database_file=tmp_path / "t.db", log_file=tmp_path / "log"
    )
    process.wait()
    with pytest.raises(UnavailableError, match="address already in use") as raised:
        temporal.await_temporal("127.0.0.1:1", process=process, log_file=tmp_path / "log")
    assert str(tmp_path / "log") in str(raised.value)
    assert os.getpgid(0) != process.pid
