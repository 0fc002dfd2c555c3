"""The command line of every process of the product: `make up`, the container images and the compose file run the same."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from capabilities.kernel.settings import Settings
from zhongtai.front_ports import front_ports, variable_of_front


def web_command(*, host: str, port: int, python: str = sys.executable) -> list[str]:
    """The API and the console."""
    return [
        *(python, "-m", "uvicorn", "web.app:create_app", "--factory", "--host", host, "--port", str(port)),
        *("--no-access-log", "--no-server-header", "--log-level", "warning", "--timeout-graceful-shutdown", "10"),
    ]


def worker_command(python: str = sys.executable) -> list[str]:
    """A process that does the work of processes; as many as there are cores."""
    return [python, "-m", "workflows.worker"]


def shop_command(python: str = sys.executable) -> list[str]:
    """The front-ends: a program of its own that knows only the API."""
    return [python, "-m", "frontends"]


def migrate_command(python: str = sys.executable) -> list[str]:
    """Bring the database to the newest revision."""
    return [python, "-m", "zhongtai", "migrate"]


def environment(settings: Settings, *, database_url: str, temporal_address: str, secret_key: str) -> dict[str, str]:
    """What the processes are told beyond what they inherit."""
    return {
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "ZHONGTAI_STATE_FOLDER": str(settings.state_folder.resolve()),
        **{variable_of_front(business): str(port) for business, port in front_ports(settings).items()},
        "ZHONGTAI_DEMO": "true" if settings.demo else "false",
        "ZHONGTAI_SECRET_KEY": secret_key,
        "PYTHONUNBUFFERED": "1",
    }


def replace_by(command: list[str]) -> NoReturn:
    """Become that process: no parent stays behind, so signals reach it."""
    os.execv(command[0], command)
