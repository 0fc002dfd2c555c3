"""The web's way to Temporal: one client a process, made when first needed; it connects and reconnects by itself.

Pages and reads never wait for it; a checkout waits as long as its own patience lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError


class TemporalGate:
    """Holds the client. `connect` must not wait for the server: the client it gives connects with its first call."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._lock = asyncio.Lock()

    async def client(self) -> Client:
        """The client; `UnavailableError` only where no server is configured."""
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    self._client = await self._connect()
        return self._client

    async def is_there(self, within_s: float = 1.0) -> bool:
        """Whether the server answers now."""
        try:
            async with asyncio.timeout(within_s):
                client = await self.client()
                return await client.service_client.check_health(timeout=timedelta(seconds=within_s))
        except (TimeoutError, RPCError, RuntimeError):
            return False
