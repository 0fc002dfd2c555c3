"""`python -m frontends [business …]`: the front-ends, each on its own port, all of them in one process."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from fastapi import FastAPI

from frontends.finance.app import INSTALMENTS
from frontends.kit.app import Front, create_front
from frontends.kit.settings import FrontSettings, NotConfiguredError, read_settings
from frontends.logistics.app import PARCELS
from frontends.retail.app import SHOP
from frontends.tourism.app import TRAVEL

FRONTS: dict[str, Front] = {front.business: front for front in (SHOP, INSTALMENTS, PARCELS, TRAVEL)}


def main(wanted: list[str]) -> None:
    unknown = [name for name in wanted if name not in FRONTS]
    if unknown:
        sys.exit(f"There is no front-end of {', '.join(unknown)}; there are {', '.join(FRONTS)}.")
    try:
        ready = [(front, read_settings(name)) for name, front in FRONTS.items() if not wanted or name in wanted]
    except NotConfiguredError as missing:
        sys.exit(str(missing))
    asyncio.run(serve([(create_front(front, settings), settings) for front, settings in ready]))


async def serve(fronts: list[tuple[FastAPI, FrontSettings]]) -> None:
    """Serve all until one of them ends, by a signal or because it cannot listen; then the others end too."""
    servers = [
        uvicorn.Server(
            uvicorn.Config(app, host=at.host, port=at.port, log_level="warning", server_header=False, access_log=False)
        )
        for app, at in fronts
    ]
    running = [asyncio.create_task(server.serve()) for server in servers]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*running)


if __name__ == "__main__":
    main(sys.argv[1:])
