"""Signing in: sessions on the server, passwords that are never kept, attempts that are counted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError, MissingError, RefusedError
from web.access.audit import BEGINNING, entries_page, first_break, record_act
from web.access.contract import CreateOperator, Role, SignedIn, SignIn, SignInRefusal
from web.access.models import AuditEntry, Operator, SignInSession
from web.access.service import (
    ABSOLUTE,
    IDLE,
    MAX_PER_NAME,
    create_operator,
    current_session,
    rotate,
    set_password,
    sign_in,
    sign_in_demo,
    sign_out,
)


@pytest.fixture
def editor(session: Session):
    return create_operator(
        session,
        CreateOperator(
            email="Erin@Example.com", name="Erin", password="correct horse", roles={"retail": (Role.EDITOR,)}
        ),
    )


PASSWORD = "correct horse"


def attempt(session: Session, password: str = PASSWORD) -> SignedIn | SignInRefusal:
    return sign_in(session, SignIn(email="erin@example.com ", password=password, address="10.0.0.1"))


def test_the_right_password_begins_a_session_kept_only_as_a_hash(session, editor):
    result = attempt(session)
    assert isinstance(result, SignedIn)
    rows = session.scalars(select(SignInSession)).all()
    assert [row.operator_id for row in rows] == [editor.id]
    assert result.token not in rows[0].token_sha256
    current = current_session(session, result.token)
    assert current is not None
    assert current.operator.roles_in("retail") == {Role.EDITOR}
    assert current.operator.roles_in("finance") == frozenset()


def test_a_password_is_kept_as_argon2id(session, editor):
    assert session.get_one(Operator, editor.id).password_hash.startswith("$argon2id$")


def test_wrong_name_and_wrong_password_look_the_same(session, editor):
    assert attempt(session, "wrong") is SignInRefusal.WRONG
    unknown = sign_in(session, SignIn(email="nobody@example.com", password="x", address="10.0.0.1"))
    assert unknown is SignInRefusal.WRONG


def test_too_many_attempts_close_the_door_even_for_the_right_password(session, editor):
    for _ in range(MAX_PER_NAME):
        assert attempt(session, "wrong") is SignInRefusal.WRONG
    assert attempt(session) is SignInRefusal.THROTTLED


def test_an_idle_an_old_and_an_ended_session_are_none(session, editor, monkeypatch):
    for begun, seen in ((ABSOLUTE, timedelta()), (IDLE, IDLE)):
        result = attempt(session)
        row = session.scalars(select(SignInSession).order_by(SignInSession.created_at.desc())).first()
        row.expires_at, row.last_seen_at = row.created_at + ABSOLUTE - begun, now() - seen
        session.flush()
        assert current_session(session, result.token) is None
    result = attempt(session)
    sign_out(session, result.token)
    assert current_session(session, result.token) is None
    assert current_session(session, "made up") is None


def test_rotation_makes_the_old_token_worthless(session, editor):
    old = attempt(session)
    new = rotate(session, old.token)
    assert current_session(session, old.token) is None
    assert current_session(session, new.token).operator.id == editor.id
    with pytest.raises(MissingError) as raised:
        rotate(session, old.token)
    assert raised.value.code == "access.session_ended"


def test_a_new_password_ends_every_session(session, editor):
    token = attempt(session).token
    set_password(session, editor.id, "another horse")
    assert current_session(session, token) is None
    assert attempt(session) is SignInRefusal.WRONG
    assert isinstance(attempt(session, "another horse"), SignedIn)


def test_an_email_is_taken_once_whatever_its_case(session, editor):
    with pytest.raises(ConflictError) as raised:
        create_operator(
            session,
            CreateOperator(email="ERIN@example.com", name="Other", password="long enough", roles={}),
        )
    assert raised.value.code == "access.email_taken"


def test_only_demo_accounts_sign_in_by_one_click(session, editor):
    with pytest.raises(RefusedError) as raised:
        sign_in_demo(session, editor.id)
    assert raised.value.code == "access.not_demo"


def test_the_audit_chain_is_whole_and_each_entry_carries_the_hash_before_it(session, editor):
    record_act(session, business="retail", actor=editor.id, action="rules.tried", subject="rs_1", detail={"n": 1})
    newest, before = entries_page(session, None, limit=2)
    assert newest.previous_sha256 == before.sha256
    assert session.scalars(select(AuditEntry).order_by(AuditEntry.sequence)).first().previous_sha256 == BEGINNING
    assert first_break(session) is None


def test_the_audit_refuses_to_be_changed_and_a_break_would_be_found(session, editor):
    record_act(session, business="retail", actor=editor.id, action="rules.tried", subject="rs_1")
    with pytest.raises(DatabaseError, match="append-only"), session.begin_nested():
        session.execute(text("UPDATE audit_entry SET actor = 'somebody else'"))
    with pytest.raises(DatabaseError, match="append-only"), session.begin_nested():
        session.execute(text("DELETE FROM audit_entry"))
    session.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_append_only"))
    session.execute(text("UPDATE audit_entry SET actor = 'somebody else' WHERE sequence = 2"))
    session.expire_all()
    assert first_break(session) == 2
