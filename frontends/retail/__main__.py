"""`python -m frontends.retail`: the shop on its own port."""

from __future__ import annotations

import sys

import uvicorn

from frontends.retail.app import create_shop
from frontends.retail.settings import NotConfiguredError, read_settings


def main() -> None:
    try:
        shop = read_settings()
    except NotConfiguredError as missing:
        sys.exit(str(missing))
    uvicorn.run(create_shop(shop), host=shop.host, port=shop.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
