"""Settings from the environment (and `.env`), read once. Names stand in `docs/settings.md`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything an installation may set. DATABASE_URL and TEMPORAL_ADDRESS unset: embedded servers are started."""

    model_config = SettingsConfigDict(env_prefix="ZHONGTAI_", env_file=".env", extra="ignore")

    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    temporal_address: str | None = Field(default=None, validation_alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field(default="default", validation_alias="TEMPORAL_NAMESPACE")
    task_queue: str = "zhongtai"
    state_folder: Path = Path("state")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    temporal_port: int = Field(default=7233, ge=1, le=65535)
    temporal_ui_port: int = Field(default=8233, ge=1, le=65535)
    workers: int = Field(default=2, ge=1, le=64)
    demo: bool = False
    """Demo mode: one-click sign-in, plain cookie on loopback. Never in production."""
    secret_key: str | None = None
    answer_within_s: float = 15.0
    provider_limit_s: float = 3.0
    stripe_api_key: str | None = None
    stripe_webhook_secret: str | None = None
    stripe_api_base: str = "https://api.stripe.com"
    reservation_minutes: int = 15
    api_requests_per_minute: int = 12_000
    """What an API client may ask in a minute unless its own row says otherwise; a sixth of it at once."""
    max_body_bytes: int = 1_000_000
    shop_port: int = Field(default=8081, ge=1, le=65535)
    public_url: str | None = None
    """How people reach the web, where that is not `http://<host>:<port>`: behind a proxy, or in containers."""


def variable_of(name: str) -> str:
    """The environment variable that sets a field (or, for one with a name of its own, that name)."""
    field = Settings.model_fields.get(name)
    if field is None:
        return name
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"ZHONGTAI_{name.upper()}"


@lru_cache
def settings() -> Settings:
    """The process's settings; tests clear the cache after changing the environment."""
    return Settings()
