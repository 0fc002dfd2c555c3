"""Signing in and out, and the people who may. Nothing here commits; passwords are Argon2id."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError
from capabilities.kernel.identity import PLATFORM
from capabilities.kernel.ids import new_id
from web.access.audit import record_act
from web.access.contract import (
    CreateOperator,
    CurrentSession,
    Language,
    OperatorSeen,
    SignedIn,
    SignIn,
    SignInRefusal,
    Theme,
)
from web.access.models import Operator, OperatorRole, SignInAttempt, SignInSession
from web.access.queries import find_by_email, operator_seen

IDLE = timedelta(hours=2)
ABSOLUTE = timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""How exact "last seen" is: one write a minute and session at most."""

WINDOW = timedelta(minutes=15)
MAX_PER_NAME = 8
MAX_PER_ADDRESS = 40

_hasher = PasswordHasher()


@lru_cache
def _decoy() -> str:
    """Verified where a name is unknown, so that both cases take the same time."""
    return _hasher.hash(secrets.token_urlsafe())


def create_operator(session: Session, request: CreateOperator) -> OperatorSeen:
    """A new person with roles. An email that is taken raises `ConflictError`."""
    email = request.email.strip().lower()
    if find_by_email(session, email) is not None:
        raise ConflictError("access.email_taken", f"Somebody already signs in as {email}.")
    operator = Operator(
        id=new_id("opr"),
        business=next(iter(sorted(request.roles)), PLATFORM),
        email=email,
        name=request.name,
        password_hash=_hasher.hash(request.password),
        language=request.language.value,
        theme=Theme.DEVICE.value,
        last_business=None,
        is_active=True,
        is_demo=request.is_demo,
        created_at=now(),
    )
    session.add(operator)
    for business, roles in request.roles.items():
        session.add_all(OperatorRole(operator_id=operator.id, business=business, role=role.value) for role in roles)
    session.flush()
    record_act(
        session,
        business=operator.business,
        actor="system",
        action="access.operator_created",
        subject=operator.id,
        detail={"email": email, "roles": {b: [r.value for r in roles] for b, roles in sorted(request.roles.items())}},
    )
    return operator_seen(session, operator)


def set_password(session: Session, operator_id: str, password: str) -> None:
    """A new password; every session of the person ends."""
    operator = _operator(session, operator_id)
    operator.password_hash = _hasher.hash(password)
    session.execute(
        update(SignInSession)
        .where(SignInSession.operator_id == operator_id, SignInSession.ended_at.is_(None))
        .values(ended_at=now())
    )
    record_act(
        session, business=operator.business, actor=operator_id, action="access.password_set", subject=operator_id
    )


def sign_in(session: Session, request: SignIn) -> SignedIn | SignInRefusal:
    """Check name and password. A refusal is a result, so that the edge commits the counted attempt."""
    email = request.email.strip().lower()
    if _is_throttled(session, email, request.address):
        return SignInRefusal.THROTTLED
    operator = find_by_email(session, email)
    known = operator is not None and operator.is_active
    matches = _matches(operator.password_hash if operator is not None else _decoy(), request.password)
    if operator is None or not known or not matches:
        session.add(SignInAttempt(business=PLATFORM, email=email, address=request.address, at=now()))
        session.flush()
        return SignInRefusal.WRONG
    if _hasher.check_needs_rehash(operator.password_hash):
        operator.password_hash = _hasher.hash(request.password)
    return begin_session(session, operator, how="password")


def sign_in_demo(session: Session, operator_id: str) -> SignedIn:
    """One click, for demo accounts. The edge asks only in demo mode."""
    operator = _operator(session, operator_id)
    if not operator.is_demo or not operator.is_active:
        raise RefusedError("access.not_demo", "Only demo accounts sign in without a password.")
    return begin_session(session, operator, how="demo")


def begin_session(session: Session, operator: Operator, *, how: str) -> SignedIn:
    """A new session with a new token: what the browser held before is worth nothing afterwards."""
    token, at = secrets.token_urlsafe(32), now()
    session.add(
        SignInSession(
            token_sha256=_sha256(token),
            business=operator.business,
            operator_id=operator.id,
            csrf_token=secrets.token_urlsafe(24),
            created_at=at,
            last_seen_at=at,
            expires_at=at + ABSOLUTE,
            ended_at=None,
        )
    )
    session.flush()
    record_act(
        session,
        business=operator.business,
        actor=operator.id,
        action="access.signed_in",
        subject=operator.id,
        detail={"how": how},
    )
    return SignedIn(token=token, operator=operator_seen(session, operator))


def current_session(session: Session, token: str) -> CurrentSession | None:
    """The living session of a cookie's token, or None: unknown, ended, idle for too long, too old, person inactive."""
    at = now()
    found = session.get(SignInSession, _sha256(token))
    if found is None or found.ended_at is not None or found.expires_at <= at or found.last_seen_at + IDLE <= at:
        return None
    operator = session.get(Operator, found.operator_id)
    if operator is None or not operator.is_active:
        return None
    if found.last_seen_at + SEEN_EVERY <= at:
        found.last_seen_at = at
    return CurrentSession(operator=operator_seen(session, operator), csrf_token=found.csrf_token)


def rotate(session: Session, token: str) -> SignedIn:
    """End the session and begin another for the same person: after a change of rights."""
    found = session.get(SignInSession, _sha256(token))
    if found is None or found.ended_at is not None:
        raise MissingError("access.session_ended", "This session has ended.", mend="Sign in again.")
    found.ended_at = now()
    return begin_session(session, _operator(session, found.operator_id), how="rotation")


def sign_out(session: Session, token: str) -> None:
    """End the session; an unknown or ended one stays as it is."""
    found = session.get(SignInSession, _sha256(token))
    if found is not None and found.ended_at is None:
        found.ended_at = now()
        record_act(
            session,
            business=found.business,
            actor=found.operator_id,
            action="access.signed_out",
            subject=found.operator_id,
        )


def set_preferences(session: Session, operator_id: str, *, language: Language | None, theme: Theme | None) -> None:
    """Language and theme of the person; None leaves one as it is."""
    operator = _operator(session, operator_id)
    if language is not None:
        operator.language = language.value
    if theme is not None:
        operator.theme = theme.value
    session.flush()


def remember_business(session: Session, operator_id: str, business: str) -> None:
    """Where the person is now, so that the console opens there next time."""
    session.execute(update(Operator).where(Operator.id == operator_id).values(last_business=business))


def _operator(session: Session, operator_id: str) -> Operator:
    found = session.get(Operator, operator_id)
    if found is None:
        raise MissingError("access.operator_unknown", "There is no such person.")
    return found


def _is_throttled(session: Session, email: str, address: str) -> bool:
    since = now() - WINDOW
    count = select(func.count()).select_from(SignInAttempt).where(SignInAttempt.at > since)
    by_name = session.scalar(count.where(SignInAttempt.email == email)) or 0
    by_address = session.scalar(count.where(SignInAttempt.address == address)) or 0
    return by_name >= MAX_PER_NAME or by_address >= MAX_PER_ADDRESS


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
