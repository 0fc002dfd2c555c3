"""Where webhooks may be sent: never into our own network (SSRF). The address that was checked is the one connected to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from capabilities.kernel.errors import InvalidError

MAX_URL = 500
Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """A checked destination: what to connect to, and the name it goes by."""

    url: str
    scheme: str
    host: str
    port: int
    address: str

    @property
    def request_url(self) -> str:
        """The URL with the checked address in place of the name, so that no second look-up can lead elsewhere."""
        parts = urlsplit(self.url)
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{shown}:{self.port}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")

    @property
    def host_header(self) -> str:
        default = 443 if self.scheme == "https" else 80
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == default else f"{shown}:{self.port}"


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def target_of(url: str, *, allow_loopback: bool, look_up: Resolve = resolve) -> Target:
    """The checked destination of a URL. Raises `InvalidError`: not https, credentials in it, or a private address.

    `allow_loopback` (demo mode) lets http to this very machine pass, and nothing else that is not public.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        raise _refused("This is not a URL.") from None
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not host or len(url) > MAX_URL:
        raise _refused(f"A URL such as https://shop.example/hooks is expected, of at most {MAX_URL} characters.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("A URL for webhooks has no user, password or fragment.")
    try:
        addresses = look_up(host, port)
    except OSError:
        raise _refused(f"{host} is not known.") from None
    seen = [ipaddress.ip_address(address.split("%")[0]) for address in addresses]
    is_loopback = bool(seen) and all(address.is_loopback for address in seen)
    if allow_loopback and is_loopback:
        return Target(url, parts.scheme, host, port, addresses[0])
    if parts.scheme != "https":
        raise _refused("Webhooks are sent over https only.")
    if not seen or any(not _is_public(address) for address in seen):
        raise _refused(f"{host} is not a public address.")
    return Target(url, parts.scheme, host, port, addresses[0])


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if mapped is not None:
        return _is_public(mapped)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _refused(message: str) -> InvalidError:
    return InvalidError(
        "webhook.url_refused", message, mend="Give a public https address of the front-end.", field="body.url"
    )
