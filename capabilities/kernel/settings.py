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
    port: int = 8080
    temporal_port: int = 7233
    temporal_ui_port: int = 8233
    workers: int = 2
    demo: bool = False
    """Demo mode: one-click sign-in, plain cookie on loopback. Never in production."""
    secret_key: str | None = None
    answer_within_s: float = 15.0
    provider_limit_s: float = 3.0
    reservation_minutes: int = 15


@lru_cache
def settings() -> Settings:
    """The process's settings; tests clear the cache after changing the environment."""
    return Settings()
