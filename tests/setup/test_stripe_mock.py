"""Getting Stripe's mock server: from PATH, the cache, Go, or its releases; and one clear sentence where there is none."""

from __future__ import annotations

import io
import tarfile

import httpx
import pytest

from capabilities.kernel.errors import UnavailableError
from zhongtai import stripe_mock
from zhongtai.stripe_mock import find_stripe_mock, release_url
from zhongtai.temporal import cache_folder

WORKING = "#!/bin/sh\necho stripe-mock 0.197.0\n"
GO = """#!/bin/sh
echo "$@" >> "{calls}"
[ {exit_code} = 0 ] || {{ echo "no network" >&2; exit {exit_code}; }}
printf '#!/bin/sh\\necho stripe-mock master\\n' > "$GOBIN/stripe-mock"
chmod +x "$GOBIN/stripe-mock"
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with an empty cache, nothing on PATH but a shell, and no way out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def away(*_, **__):
        raise httpx.ConnectError("no way out")

    monkeypatch.setattr(stripe_mock.httpx, "get", away)
    return tmp_path


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_one_on_path_comes_first(machine):
    found = program(machine / "bin" / "stripe-mock", WORKING)
    program(cache_folder() / "stripe-mock", WORKING)
    said: list[str] = []

    assert find_stripe_mock(said.append) == found
    assert said == [f"stripe-mock: taking {found}, found on PATH."]


def test_it_is_built_once_and_kept(machine):
    calls = machine / "calls"
    program(machine / "bin" / "go", GO.format(calls=calls, exit_code=0))
    found = [find_stripe_mock(lambda _: None) for _ in range(2)]

    assert found == [cache_folder() / "stripe-mock"] * 2
    assert calls.read_text() == "install github.com/stripe/stripe-mock@latest\n"
    assert [path.name for path in cache_folder().iterdir() if path.is_dir()] == []


def test_without_go_its_release_is_taken(machine, monkeypatch):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("stripe-mock")
        member.size = len(WORKING)
        archive.addfile(member, io.BytesIO(WORKING.encode()))
    asked = []

    def give(url, **_):
        asked.append(url)
        return httpx.Response(200, content=content.getvalue(), request=httpx.Request("GET", url))

    monkeypatch.setattr(stripe_mock.httpx, "get", give)
    monkeypatch.setattr(stripe_mock.platform, "system", lambda: "Linux")
    monkeypatch.setattr(stripe_mock.platform, "machine", lambda: "x86_64")

    assert find_stripe_mock(lambda _: None) == cache_folder() / "stripe-mock"
    assert asked == [release_url("Linux", "x86_64")]
    assert asked[0].endswith("/stripe-mock_0.197.0_linux_amd64.tar.gz")


def test_where_there_is_none_it_says_what_would_help(machine):
    program(machine / "bin" / "go", GO.format(calls=machine / "calls", exit_code=1))
    said: list[str] = []
    with pytest.raises(UnavailableError) as error:
        find_stripe_mock(said.append)

    assert error.value.code == "stripe_mock.not_found"
    assert "Install Go" in error.value.mend
    assert any("the build failed (exit 1): no network" in line for line in said)
    assert any("the download failed" in line for line in said)


def test_there_is_no_release_for_every_machine():
    assert release_url("Windows", "x86_64") is None
    assert release_url("Linux", "riscv64") is None
