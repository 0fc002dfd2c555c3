"""The listener: what goes live is compiled before anybody asks; nothing is lost by a cut connection."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from capabilities.kernel.identity import BusinessIdentity
from rules import queries
from rules.warming import Warming
from tests.rules.documents import PROMOTIONS, a_document, a_rule
from tests.rules.test_service import new_rule_set, publish


def soon(condition, within_s=60.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def is_warm(sessions, business):
    with sessions() as session:
        live = queries.live_release(session, PROMOTIONS, BusinessIdentity(business))
    return all(asked.network._handle is not None for place in live.compiled.places.values() for asked in place.asked)


def unheard_of(number):
    return a_document(a_rule(when={"field": "order.subtotal_minor", "op": "gte", "value": number}))


@pytest.fixture
def warming(sessions, engine):
    warming = Warming(sessions, engine.url.render_as_string(hide_password=False))
    yield warming
    warming.stop()


def test_what_is_live_is_warm_at_the_start_and_what_goes_live_follows(sessions, warming):
    with sessions() as session, session.begin():
        publish(session, new_rule_set(session).id, unheard_of(777_001))
    assert not is_warm(sessions, "retail")
    warming.start()
    assert warming.listening.wait(60)
    assert is_warm(sessions, "retail")
    with sessions() as session, session.begin():
        publish(session, new_rule_set(session, BusinessIdentity("finance")).id, unheard_of(777_002))
    assert soon(lambda: is_warm(sessions, "finance"))


def test_a_cut_connection_is_made_anew_and_everything_read_again(sessions, warming):
    warming.start()
    assert warming.listening.wait(60)
    with sessions() as session, session.begin():
        session.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
    assert soon(lambda: not warming.listening.is_set())
    with sessions() as session, session.begin():
        publish(session, new_rule_set(session).id, unheard_of(777_003))
    assert soon(lambda: warming.listening.is_set() and is_warm(sessions, "retail"))
