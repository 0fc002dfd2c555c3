"""Every invariant holds in a sound world, and every break of one is found."""

from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from tests.verify import test_settlement
from zhongtai.verify import checks, payments, verify

NUMBERS = [
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    12,
    13,
    14,
    14,
    15,
    15,
    16,
    16,
    17,
    18,
    19,
    19,
    19,
    20,
    20,
    20,
    21,
    21,
    21,
    22,
    22,
    23,
    24,
    25,
    26,
    26,
    27,
    27,
    28,
    29,
    29,
    30,
    31,
    31,
    32,
    33,
    33,
    33,
    33,
    34,
    35,
    36,
    37,
    38,
    38,
    39,
    40,
    40,
    40,
]

ELSEWHERE = {29, 34, 35, 36, 37}
"""Invariants of a world whose sellers were paid, which `test_settlement` builds and breaks."""


def broken(session):
    return {result.number: result.broken for result in verify(session) if result.broken}


def test_every_invariant_is_checked_on_rows_and_holds(world):
    results = verify(world)

    assert {result.number: result.broken for result in results if result.broken} == {}
    assert [result.number for result in results] == NUMBERS
    assert [result.name for result in results if result.rows == 0 and result.number not in ELSEWHERE] == []


def test_an_empty_database_breaks_nothing(session):
    assert broken(session) == {}


def test_imported_orders_are_counted_and_left_out(world):
    names = {result.number: result.name for result in verify(world)}

    assert names[14].endswith("(1 imported orders left out)")
    assert next(result.rows for result in verify(world) if result.number == 19) == 2


def test_names_are_sentences_of_their_own():
    names = [check.name for check in checks()]
    assert len(set(names)) == len(names)


MEANT = {
    "$QUOTED": "(SELECT quote_id FROM sales_order WHERE id = $CONFIRMED)",
    "$CONFIRMED": "(SELECT id FROM sales_order WHERE status = 'confirmed' AND origin <> 'import' AND total_minor > 0)",
    "$DECLINED": "(SELECT id FROM sales_order WHERE status = 'refused' LIMIT 1)",
}
BREAKS = yaml.safe_load((Path(__file__).parent / "breaks.yaml").read_text())


def broken_on_purpose(session, statement):
    for word, meant in MEANT.items():
        statement = statement.replace(word, meant)
    assert session.execute(text(statement)).rowcount != 0
    session.expire_all()


@pytest.mark.parametrize("made", BREAKS, ids=[made["break"] for made in BREAKS])
def test_a_break_is_found(world, made):
    world.execute(text("SET LOCAL session_replication_role = replica"))  # past the triggers that guard the tables
    for statement in made["sql"]:
        broken_on_purpose(world, statement)

    found = broken(world)
    assert made["invariant"] in found, found


def test_all_forty_invariants_are_checked():
    assert sorted({check.number for check in checks()}) == list(range(1, 41))


def test_every_number_has_a_break_that_is_found():
    """11 is a property of the fold, for which there is no wrong row; its own test breaks the fold."""
    assert {number for number, _ in test_settlement.BREAKS.values()} >= ELSEWHERE
    assert {made["invariant"] for made in BREAKS} == set(NUMBERS) - {11} - ELSEWHERE


def test_a_fold_that_depends_on_the_order_of_arrival_is_found(world, monkeypatch):
    sound = payments.amounts
    monkeypatch.setattr(payments, "amounts", lambda events: sound(list(events)[:1]))

    assert 11 in broken(world)


def test_a_break_is_told_in_a_sentence(world):
    world.execute(text("SET LOCAL session_replication_role = replica"))
    broken_on_purpose(world, "UPDATE stock SET reserved = 1 WHERE sku = 'tea'")

    assert broken(world)[31] == ["stock of retail/tea: 96 on hand, 1 reserved, open reservations 0"]


def test_a_refund_asked_before_its_capture_is_known_breaks_nothing(world):
    """A person undoes a checkout while the provider has not said whether it captured."""
    world.execute(text("SET LOCAL session_replication_role = replica"))
    broken_on_purpose(world, "DELETE FROM payment_event WHERE kind = 'charge_success'")
    event = "business, payment_id, kind, reference, amount_minor, occurred_at, recorded_at, is_counted, actor, correlation_id"
    asked = event.replace("kind", "'refund_request'", 1).replace("reference", "'ref'", 1)
    broken_on_purpose(
        world,
        f"INSERT INTO payment_event ({event}) SELECT {asked} FROM payment_event WHERE kind = 'charge_request'",  # noqa: S608
    )

    assert 9 not in broken(world)


def test_a_step_that_was_asked_again_with_other_input_breaks_nothing(world):
    broken_on_purpose(
        world,
        "INSERT INTO process_step (business, run_id, path, iteration, revision, attempt, kind, status, actor, started_at)"
        " SELECT business, run_id, path, iteration, 1, 1, kind, 'done', actor, started_at FROM process_step",
    )
    broken_on_purpose(world, "UPDATE process_step SET status = 'started' WHERE revision = 0")

    assert broken(world) == {}
