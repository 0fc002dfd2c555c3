"""Ports that must be free before anything is started; one that is taken is named with its holder and its setting."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from capabilities.kernel.errors import ConflictError
from capabilities.kernel.settings import Settings
from zhongtai.front_ports import front_ports, variable_of_front


@dataclass(frozen=True, slots=True)
class Port:
    """A port, what would listen on it, and the setting that moves it."""

    number: int
    host: str
    purpose: str
    setting: str


def ports_of(settings: Settings) -> list[Port]:
    """The ports this installation listens on."""
    ports = [
        Port(settings.port, settings.host, "the console and the API", "ZHONGTAI_PORT"),
        *(
            Port(number, "127.0.0.1", f"the front-end of {business}", variable_of_front(business))
            for business, number in front_ports(settings).items()
        ),
    ]
    if settings.temporal_address is None:
        ports.append(Port(settings.temporal_port, "127.0.0.1", "Temporal", "ZHONGTAI_TEMPORAL_PORT"))
        ports.append(Port(settings.temporal_ui_port, "127.0.0.1", "Temporal's own pages", "ZHONGTAI_TEMPORAL_UI_PORT"))
    return ports


def is_free(port: Port) -> bool:
    """Whether one could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in port.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError:
            return False
    return True


def holder(number: int) -> str:
    """Who listens on the port, as far as this user may see."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == number:
                if connection.pid is None:
                    break
                process = psutil.Process(connection.pid)
                return f"{process.name()} (pid {connection.pid}: {' '.join(process.cmdline())[:100]})"
    return "a process of another user"


def busy_sentences(ports: Iterable[Port]) -> list[str]:
    """One sentence for each taken port."""
    return [
        f"Port {port.number}, meant for {port.purpose}, is taken by {holder(port.number)}. "
        f"End that, or set {port.setting} to a free port."
        for port in ports
        if not is_free(port)
    ]


def demand_free(ports: list[Port]) -> None:
    """Raise `ConflictError` naming every taken port; another one is never chosen silently."""
    twice = sorted({port.number for port in ports if [other.number for other in ports].count(port.number) > 1})
    if twice:
        names = ", ".join(port.setting for port in ports if port.number in twice)
        raise ConflictError("port.doubled", f"{names} name the same port {twice[0]}.", mend="Give each its own.")
    sentences = busy_sentences(ports)
    if sentences:
        raise ConflictError("port.taken", "\n".join(sentences))
