"""`python -m frontends.retail`: the shop on its own port."""

from __future__ import annotations

import uvicorn

from frontends.retail.app import create_shop
from frontends.retail.settings import read_settings


def main() -> None:
    shop = read_settings()
    uvicorn.run(create_shop(shop), host=shop.host, port=shop.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
