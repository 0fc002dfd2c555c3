"""A key belongs to one body and gets one answer."""

from __future__ import annotations

import pytest

from capabilities.kernel.errors import ConflictError
from capabilities.kernel.idempotency import Answer, answer_of, canonical_sha256, claim_key, store_answer


def claim(session, body, run_id="run_1"):
    return claim_key(
        session, business="retail", client_id="client", key="k", body_sha256=canonical_sha256(body), run_id=run_id
    )


def test_a_second_claim_finds_the_first_run_and_its_answer(session):
    assert claim(session, {"a": 1}).is_new
    store_answer(session, run_id="run_1", answer=Answer(201, '{"ok":true}'))
    again = claim(session, {"a": 1}, run_id="run_2")
    assert (again.run_id, again.is_new, again.answer) == ("run_1", False, Answer(201, '{"ok":true}'))


def test_another_body_under_the_same_key_conflicts(session):
    claim(session, {"a": 1})
    with pytest.raises(ConflictError) as caught:
        claim(session, {"a": 2})
    assert caught.value.code == "idempotency.key_reused"


def test_the_first_stored_answer_stays(session):
    claim(session, {"a": 1})
    store_answer(session, run_id="run_1", answer=Answer(201, "first"))
    assert store_answer(session, run_id="run_1", answer=Answer(409, "second")) == Answer(201, "first")
    assert answer_of(session, "run_1") == Answer(201, "first")


def test_the_hash_of_a_body_does_not_depend_on_the_order_of_its_keys():
    assert canonical_sha256({"a": 1, "b": [2]}) == canonical_sha256({"b": [2], "a": 1})
