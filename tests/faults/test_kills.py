"""Processes are killed while people buy: nobody's order is lost, nobody pays twice, all books stay sound."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.plant import Plant, either, running_plant, trouble
from workflows import starting

pytestmark = pytest.mark.faults

METHODS = ["sim_ok", "sim_ok", "sim_ok", "sim_declined", "sim_twice", "sim_late_300", "sim_timeout_done"]


def methods(plant: Plant, count: int) -> list[str]:
    return [plant.random.choice(METHODS) for _ in range(count)]


async def buy_all(plant: Plant, wanted: list[str], *, at_once: int = 1_000) -> list[dict[str, Any]]:
    """All at once, or a few at a time; the bodies of the answers."""
    client = await starting.connect()
    door = asyncio.Semaphore(at_once)

    async def buy(method: str) -> dict[str, Any]:
        async with door:
            answer = await plant.buy(client, payment_method=method)
            found: dict[str, Any] = json.loads(answer.body)
            return found

    return list(await asyncio.gather(*map(buy, wanted)))


async def assert_none_lost_or_doubled(plant: Plant, wanted: list[str], bodies: list[dict[str, Any]]) -> None:
    outcomes = await plant.at_rest()
    declined = wanted.count("sim_declined")
    assert outcomes == Counter({"confirmed": len(wanted) - declined} | ({"declined": declined} if declined else {}))
    assert len({body["order_id"] for body in bodies}) == len(wanted)
    captures = plant.captures()
    assert sorted(captures.values()) == [1] * (len(wanted) - declined)
    plant.assert_sound()


async def test_workers_killed_in_turn_lose_and_double_nothing(tmp_path: Path) -> None:
    async with running_plant(tmp_path) as plant:
        wanted = methods(plant, either(40, 200))
        async with trouble(plant, "kill_worker", (2.0, 2.0)):
            bodies = await buy_all(plant, wanted)
        assert plant.kills >= 1
        await assert_none_lost_or_doubled(plant, wanted, bodies)


async def test_temporal_killed_and_restarted_loses_nothing(tmp_path: Path) -> None:
    async with running_plant(tmp_path, workers=2) as plant:
        wanted = methods(plant, either(24, 200))
        async with trouble(plant, "kill_temporal", (1.5, 5.0)):
            bodies = await buy_all(plant, wanted)
        await assert_none_lost_or_doubled(plant, wanted, bodies)


async def test_postgres_restarted_loses_no_acknowledged_order(tmp_path: Path) -> None:
    async with running_plant(tmp_path, workers=2) as plant:
        wanted = methods(plant, either(24, 200))
        async with trouble(plant, "restart_postgres", (1.5, 5.0)):
            bodies = await buy_all(plant, wanted)
        await assert_none_lost_or_doubled(plant, wanted, bodies)


async def test_a_death_between_the_providers_yes_and_our_record_captures_once(tmp_path: Path) -> None:
    async with running_plant(tmp_path, workers=2, worker_module="tests.faults.dying_worker") as plant:
        count = either(5, 200)
        async with trouble(plant, "raise_the_dead", (0.2, 0.2)):
            # a few at a time: every death strikes all that its worker had in hand
            bodies = await buy_all(plant, ["sim_ok"] * count, at_once=2)
            await plant.at_rest()
        assert len(list((tmp_path / "deaths").iterdir())) == count
        assert len({body["order_id"] for body in bodies}) == count
        assert sorted(plant.captures().values()) == [1] * count
        plant.assert_sound()


async def test_a_coupon_is_redeemed_exactly_as_often_as_it_may_be(tmp_path: Path) -> None:
    """TEA20 of the demo may be used 20 times."""
    buyers = either(60, 200)
    async with running_plant(tmp_path, workers=2) as plant:
        client = await starting.connect()
        answers = await asyncio.gather(*(plant.buy(client, coupon_codes=["TEA20"]) for _ in range(buyers)))
        assert Counter(answer.status for answer in answers) == {201: 20, 409: buyers - 20}
        bodies = [json.loads(answer.body) for answer in answers]
        assert {body["code"] for body in bodies if "code" in body} == {"marketing.coupon_used_up"}
        assert len({body["total_minor"] for body in bodies if "order_id" in body}) == 1
        await plant.at_rest()
        plant.assert_sound()


async def test_duplicates_of_many_keys_are_one_order_a_key_with_equal_answers(tmp_path: Path) -> None:
    keys, duplicates = either(3, 200), either(20, 50)
    async with running_plant(tmp_path, workers=2) as plant:
        client = await starting.connect()
        answers = await asyncio.gather(
            *(plant.buy(client, key=f"basket-{key}") for key in range(keys) for _ in range(duplicates))
        )
        by_key = [set(answers[key * duplicates : (key + 1) * duplicates]) for key in range(keys)]
        assert [len(found) for found in by_key] == [1] * keys
        assert await plant.at_rest() == {"confirmed": keys}
        assert sorted(plant.captures().values()) == [1] * keys
        plant.assert_sound()
