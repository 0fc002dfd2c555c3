"""Where the demo's front-ends listen: each has a port of its own, moved by a setting of its own."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from capabilities.kernel.settings import Settings
from frontends.kit.settings import PORTS

FIRST = "retail"
"""Its port is the product's own setting `shop_port`; it was there first."""


class FrontPorts(BaseSettings):
    """ZHONGTAI_FINANCE_PORT and so on, from the environment and `.env`."""

    model_config = SettingsConfigDict(env_prefix="ZHONGTAI_", env_file=".env", extra="ignore")

    finance_port: int = Field(default=PORTS["finance"], ge=1, le=65535)
    logistics_port: int = Field(default=PORTS["logistics"], ge=1, le=65535)
    tourism_port: int = Field(default=PORTS["tourism"], ge=1, le=65535)


def front_ports(settings: Settings) -> dict[str, int]:
    """The port of each front-end by its line of business."""
    others = FrontPorts()
    return {FIRST: settings.shop_port} | {
        business: int(getattr(others, f"{business}_port")) for business in PORTS if business != FIRST
    }


def variable_of_front(business: str) -> str:
    """The environment variable that moves a front-end's port."""
    return "ZHONGTAI_SHOP_PORT" if business == FIRST else f"ZHONGTAI_{business.upper()}_PORT"
