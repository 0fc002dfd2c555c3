"""Tables of the API: clients of a line of business and their keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from capabilities.kernel.database import Base, BusinessRow


class ApiClient(BusinessRow, Base):
    """A front-end of one business. `operations` are what its keys may ask for; idempotency keys belong to the client."""

    __tablename__ = "api_client"
    __table_args__ = (UniqueConstraint("business", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    operations: Mapped[list[str]]
    requests_per_minute: Mapped[int]
    created_at: Mapped[datetime]


class ApiKey(BusinessRow, Base):
    """A key: only its hash is kept, and a prefix by which people recognise it. Rotation: two live ones a client."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("api_client.id"), index=True)
    prefix: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
