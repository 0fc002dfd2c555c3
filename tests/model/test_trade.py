"""The state machine over all capabilities on real PostgreSQL: no divergence from the model in any number of steps.

CI runs the short form, `make faults` the long one (`ZHONGTAI_FAULTS=long`). `ZHONGTAI_SEED` plays a run again,
`ZHONGTAI_STEPS` sets another length.
"""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from tests.faults.plant import IS_LONG, either
from tests.faults.plant import SEED as DRAWN
from tests.model.driving import on_one_connection
from tests.model.machine import Trade
from tests.model.world import build
from workflows.worker import load_operations

STEPS = int(os.environ.get("ZHONGTAI_STEPS", "0")) or either(10_000, 1_000_000)
SEED = DRAWN if IS_LONG or "ZHONGTAI_SEED" in os.environ else 7
"""The short form is the same every time: what it finds is of the change at hand. The long one draws."""
STEPS_A_DAY = 60
DAYS_AT_ONCE = 4
RULES = frozenset(
    [
        "check_out",
        "send_again",
        "go_on",
        "finish",
        "crash",
        "expire",
        "fulfil",
        "refund",
        "give_goodwill",
        "cancel",
        "decide",
        "charge_back",
        "collect",
        "settle",
    ]
)


@pytest.mark.faults
def test_no_divergence_from_the_model(engine: Engine) -> None:
    print(f"seed {SEED} (ZHONGTAI_SEED={SEED} plays it again), {STEPS:,} steps, {'long' if IS_LONG else 'short'} form")
    load_operations()
    Trade.steps, Trade.ended, Trade.played, Trade.parked = 0, 0, {}, {}
    began, rounds = time.monotonic(), 0
    with engine.connect() as connection, on_one_connection(connection) as driver:
        with driver.sessions() as session, session.begin():
            build(session)
        Trade.driver = driver
        while Trade.steps < STEPS:
            _play(SEED + rounds)
            rounds += 1
            _tell(began)
    print(", ".join(f"{name} {count:,}" for name, count in sorted(Trade.played.items(), key=lambda one: -one[1])))
    print(f"parked: {Trade.parked}")
    if STEPS >= 10_000:
        assert set(Trade.played) >= RULES
    assert Trade.ended > 0, "no order was ever given back whole"


def _play(number: int) -> None:
    days = settings(
        max_examples=DAYS_AT_ONCE,
        stateful_step_count=STEPS_A_DAY,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
        print_blob=False,
    )
    run_state_machine_as_test(seed(number)(Trade), settings=days)


def _tell(began: float) -> None:
    took = time.monotonic() - began
    print(
        f"{Trade.steps:,} steps in {took:.0f} s, {Trade.steps / took:.0f} a second; {Trade.ended} orders came back whole"
    )
