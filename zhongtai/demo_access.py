"""The demo's keys and accounts, and the one file that says them in plain text: `state/demo.json`, readable by its owner.

The database holds hashes only. When the file is lost, or speaks of another database, everything in it is made anew.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from capabilities.kernel.business import all_businesses
from capabilities.kernel.identity import PLATFORM
from capabilities.kernel.settings import Settings
from web.access.contract import CreateOperator, Role
from web.access.queries import find_by_email
from web.access.service import create_operator, set_password
from web.api.keys import authenticate, issue_key, keys_of, revoke_key
from zhongtai.demo import EXAMPLE_CHECKOUT
from zhongtai.front_ports import FIRST, front_ports
from zhongtai.state import State, write_private

CLIENT = "demo"
EXAMPLE_BUSINESS = "retail"

PEOPLE: tuple[tuple[str, str, dict[str, tuple[Role, ...]]], ...] = (
    ("editor@zhongtai.example", "Erin Editor", {PLATFORM: (Role.EDITOR,)}),
    ("approver@zhongtai.example", "Ada Approver", {PLATFORM: (Role.APPROVER,)}),
    ("operator@zhongtai.example", "Omar Operator", {PLATFORM: (Role.OPERATOR,)}),
    ("admin@zhongtai.example", "Adam Admin", {PLATFORM: (Role.ADMIN,)}),
    ("auditor@zhongtai.example", "Aiko Auditor", {PLATFORM: (Role.AUDITOR,)}),
)
"""One account a role, in every line of business."""


def write_demo_json(session: Session, state: State, settings: Settings) -> dict[str, Any]:
    """Make what is missing and write the file; what it said before stays as long as it still holds."""
    before = state.demo_facts()
    web_url = (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    api_url = f"{web_url}/api/v1"
    front_urls = {business: f"http://127.0.0.1:{port}/" for business, port in front_ports(settings).items()}
    keys = _keys(session, before.get("api_keys"))
    facts = {
        "console_url": f"{web_url}/console",
        "api_url": api_url,
        "shop_url": front_urls[FIRST],
        "front_urls": front_urls,
        "api_keys": keys,
        "accounts": _accounts(session, before.get("accounts")),
        "example_checkout": _example(api_url, keys),
    }
    write_private(state.demo_file, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return facts


def _keys(session: Session, before: object) -> dict[str, str]:
    """A key for each line of business: the one of the file while it works, else a new one, and the old ones end."""
    known = before if isinstance(before, dict) else {}
    keys = {}
    for business in (row.business for row in all_businesses(session)):
        kept = known.get(business)
        client = authenticate(session, kept) if isinstance(kept, str) else None
        if isinstance(kept, str) and client is not None and client.business == business:
            keys[business] = kept
            continue
        for old in keys_of(session, business, CLIENT):
            if old.revoked_at is None:
                revoke_key(session, old.id)
        keys[business] = issue_key(session, business, CLIENT)
    return keys


def _accounts(session: Session, before: object) -> list[dict[str, str]]:
    """The demo people, with the passwords of the file; a person the file does not know gets a new password."""
    known = {
        account["name"]: account["password"]
        for account in (before if isinstance(before, list) else [])
        if isinstance(account, dict) and {"name", "password"} <= account.keys()
    }
    accounts = []
    for email, name, roles in PEOPLE:
        password = known.get(email) or secrets.token_urlsafe(9)
        operator = find_by_email(session, email)
        if operator is None:
            create_operator(
                session, CreateOperator(email=email, name=name, password=password, roles=roles, is_demo=True)
            )
        elif email not in known:
            set_password(session, operator.id, password)
        accounts.append({"name": email, "role": roles[PLATFORM][0].value, "password": password})
    return accounts


def _example(api_url: str, keys: dict[str, str]) -> dict[str, Any]:
    """The demo's checkout as a request; its key makes a repetition the same order."""
    return {
        "url": f"{api_url}/checkouts",
        "headers": {
            "Authorization": f"Bearer {keys[EXAMPLE_BUSINESS]}",
            "Content-Type": "application/json",
            "Idempotency-Key": "first-order",
        },
        "body": EXAMPLE_CHECKOUT,
    }


def curl_of(example: dict[str, Any]) -> str:
    """The example as a command to paste."""
    headers = " ".join(f"-H '{name}: {value}'" for name, value in example["headers"].items())
    body = json.dumps(example["body"], ensure_ascii=False).replace("'", "'\\''")
    return f"curl -s {headers} -d '{body}' {example['url']}"


def panel_text(facts: dict[str, Any], demo_file: Path) -> str:
    """What one needs to begin: addresses, accounts, a checkout to paste."""
    accounts = "\n".join(
        f"  {account['role']:<9} {account['name']:<28} {account['password']}" for account in facts["accounts"]
    )
    others = "".join(
        f"{business.capitalize():<9}{url}\n" for business, url in facts["front_urls"].items() if business != FIRST
    )
    return (
        f"Console  {facts['console_url']}\n"
        f"Shop     {facts['shop_url']}\n"
        f"{others}"
        f"API      {facts['api_url']}\n\n"
        f"Accounts (the sign-in page also offers them with one click)\n{accounts}\n\n"
        f"A checkout to paste\n  {curl_of(facts['example_checkout'])}\n\n"
        f"The same as JSON: {demo_file}"
    )
