"""`python -m zhongtai api-key …`: issue, list and revoke the keys front-ends call the API with."""

from __future__ import annotations

from rich.table import Table
from sqlalchemy import select

from capabilities.kernel.business import business_of
from capabilities.kernel.database import transaction
from web.api.keys import OPERATIONS, issue_key, revoke_key
from web.api.models import ApiClient, ApiKey
from zhongtai.terminal import Terminal


def issue(terminal: Terminal, business: str, name: str, operations: list[str]) -> None:
    """Print a new key, this once. Rotation: issue the second, move the front-end, revoke the first."""
    with transaction() as session:
        business_of(session, business)
        plain = issue_key(session, business, name, operations or tuple(OPERATIONS))
    terminal.say(f"A key of {name!r} for {business}. It is shown this once; only its hash is kept.")
    terminal.console.print(plain)


def show(terminal: Terminal, business: str | None) -> None:
    """Every key by its prefix: whose it is, what it may do, when it was last used."""
    found = select(ApiClient, ApiKey).join(ApiKey, ApiKey.client_id == ApiClient.id)
    if business is not None:
        found = found.where(ApiClient.business == business)
    table = Table("Key", "Business", "Client", "Begins with", "May", "Last used", "State", box=None)
    with transaction() as session:
        for client, key in session.execute(found.order_by(ApiClient.business, ApiClient.name, ApiKey.created_at)):
            may = "everything" if set(client.operations) == set(OPERATIONS) else ", ".join(client.operations)
            used = key.last_used_at.isoformat(timespec="minutes") if key.last_used_at else "never"
            state = "revoked" if key.revoked_at else "live"
            table.add_row(key.id, client.business, client.name, f"{key.prefix}…", may, used, state)
    terminal.console.print(table)


def revoke(terminal: Terminal, key_id: str) -> None:
    """Revoke a key; it stops working everywhere within seconds."""
    with transaction() as session:
        revoke_key(session, key_id)
    terminal.say(f"{key_id} is revoked and stops working within 5 seconds.")
