"""Makes `.venv` and fills it from the lock files; the standard library only, since nothing is installed yet.

A second run with unchanged lock files ends at once. Each thing that may be missing gets a sentence with its mend.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = {"production": ("production",), "dev": ("production", "dev")}
"""What each wish installs; the dev lock holds all of production's packages at the same versions."""


class BootstrapError(Exception):
    """Something is missing; the message says what to do."""


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def stamp_of(venv: Path) -> dict[str, str]:
    """What was installed into the environment, by the hash of its lock; empty for an environment we did not finish."""
    try:
        stamp = json.loads((venv / "zhongtai-lock.json").read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def usable(venv: Path) -> bool:
    """Whether the environment's Python still runs (it breaks when the Python it was made from goes away)."""
    try:
        answer = subprocess.run([venv / "bin" / "python", "-c", "import pip"], capture_output=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0


def compiler() -> str | None:
    """The C compiler Python's own build tools will call."""
    named = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(named)


def missing_parts() -> list[str]:
    """A sentence for everything this Python lacks to make the environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    sentences = []
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            sentences.append(
                f"Python {version} ({sys.executable}) has no `{module}` module. "
                f"Debian, Ubuntu: apt-get install python{version}-venv."
            )
            break
    if compiler() is None:
        sentences.append(
            "There is no C compiler, and durable_rules is built from source. "
            "Debian, Ubuntu: apt-get install build-essential; Fedora: dnf install gcc; macOS: xcode-select --install."
        )
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        sentences.append(
            f"The C headers of Python {version} are missing (Python.h), and durable_rules is built from source. "
            f"Debian, Ubuntu: apt-get install python{version}-dev; Fedora: dnf install python3-devel."
        )
    return sentences


def make_venv(venv: Path) -> None:
    missing = missing_parts()
    if missing:
        raise BootstrapError("\n".join(missing))
    if venv.exists():
        say("the virtual environment does not run any more; made anew.")
        shutil.rmtree(venv)
    say(f"making {venv.name} with Python {sys.version.split()[0]} ({sys.executable})")
    made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shutil.rmtree(venv, ignore_errors=True)
        raise BootstrapError(f"The virtual environment could not be made: {(made.stderr or made.stdout).strip()}")


def install(venv: Path, name: str, *extra: str) -> None:
    """Install one lock, every file checked against its hash; only durable_rules may be built here."""
    lock = ROOT / "requirements" / f"{name}.txt"
    total = len(re.findall(r"^[A-Za-z0-9_.-]+==", lock.read_text(), re.MULTILINE))
    say(f"installing {total} packages of requirements/{name}.txt (locked, hashes checked)")
    command = [
        str(venv / "bin" / "python"),
        *("-m", "pip", "install", "--require-hashes", "--no-deps", "--disable-pip-version-check"),
        *("--progress-bar", "off", "--no-input", "-r", str(lock), *extra),
    ]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    version = subprocess.run(
        [venv / "bin" / "python", "-c", "import sys; print(sys.version_info >= (3, 13))"],
        capture_output=True,
        text=True,
        check=True,
    )
    if version.stdout.strip() == "True":
        # durable_rules calls a function that Python 3.13 no longer has; the newer one takes the same arguments
        environment["CPPFLAGS"] = f"{os.environ.get('CPPFLAGS', '')} -DPyEval_CallObject=PyObject_CallObject".strip()
    tail = follow(command, environment, total)
    if tail is not None:
        raise BootstrapError(
            f"Installing requirements/{name}.txt failed:\n  " + "\n  ".join(tail) + "\nIs the package index reachable? "
            "If a build failed: a C compiler and the Python headers are needed. Starting again goes on from here."
        )


def follow(command: list[str], environment: dict[str, str], total: int) -> list[str] | None:
    """Run pip and show how far it is; None when it went well, else its last lines."""
    live = sys.stdout.isatty()
    lines: list[str] = []
    seen = 0
    spoken = started = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for raw in process.stdout or ():
            line = raw.strip()
            lines = [*lines[-14:], line]
            found = re.match(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9_.-]+)", line)
            phase = None
            if found:
                seen += 1
                phase = f"{min(seen, total)}/{total} {found[1]}"
            elif line.startswith(("Building wheel for", "Installing collected")):
                phase = line.split(":")[0]
            if phase and live:
                print(f"\r\x1b[Ksetup:   {phase}", end="", flush=True)
            elif phase and (time.monotonic() - spoken > 5 or not found):
                spoken = time.monotonic()
                say(f"  {phase}")
    if live:
        print("\r\x1b[K", end="", flush=True)
    if process.returncode != 0:
        return lines
    say(f"  done in {time.monotonic() - started:.0f} s")
    return None


def bootstrap(wish: str) -> None:
    """Bring `.venv` to what the lock files say."""
    venv = Path(os.environ.get("ZHONGTAI_VENV") or ROOT / ".venv")
    wanted = {name: fingerprint(ROOT / "requirements" / f"{name}.txt") for name in SETS[wish]}
    if wanted.items() <= stamp_of(venv).items() and usable(venv):
        return
    with (ROOT / ".bootstrap.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = stamp_of(venv)
        if not usable(venv):
            make_venv(venv)
            stamp = {}
        if wanted.items() <= stamp.items():
            return  # another process did it while we waited
        missing = [] if stamp else missing_parts()
        if missing:
            raise BootstrapError("\n".join(missing))
        (venv / "zhongtai-lock.json").unlink(missing_ok=True)
        install(venv, "build", "--only-binary", ":all:")
        install(venv, wish, "--no-build-isolation", "--only-binary", ":all:", "--no-binary", "durable_rules")
        (venv / "zhongtai-lock.json").write_text(json.dumps({**stamp, **wanted}))


if __name__ == "__main__":
    try:
        bootstrap(sys.argv[1] if len(sys.argv) > 1 else "production")
    except BootstrapError as error:
        sys.exit("\n".join(f"setup: {line}" for line in str(error).splitlines()))
    except KeyboardInterrupt:
        sys.exit("\nsetup: stopped; starting again goes on from here.")
