"""The recipe's sharp edges: odd answers, interruptions, disposal, one importer."""

from __future__ import annotations

import ast
import gc
import json
import logging
from pathlib import Path

import pytest

from capabilities.kernel.errors import UnavailableError
from rules import engine
from rules.engine import Network, network_of, networks_held

ROOT = Path(__file__).resolve().parents[2]


def definition(count: int = 3) -> str:
    rows = {str(i): {"all": [{"m": {"$and": [{"k": 1}, {"$gte": {"a": i * 10}}]}}]} for i in range(count)}
    return json.dumps({**rows, "w": {"all": [{"m": {"k": 2}}]}})


def fact(value: int) -> str:
    return f'{{"id":"1","k":1,"a":{value}}}'


@pytest.fixture
def network():
    return Network("test", definition())


def test_a_network_answers_the_same_fact_again_and_again(network):
    for _ in range(1_000):
        assert sorted(network.ask(fact(15))) == ["0", "1"]
        assert list(network.ask(fact(-1))) == []


def test_the_engine_is_built_at_the_first_question_and_warming_builds_it_before(network):
    assert network._handle is None
    network.warm()
    handle = network._handle
    assert handle is not None
    network.ask(fact(1))
    assert network._handle == handle


@pytest.mark.parametrize("odd", [(2, 0), (3, 0)])
def test_an_odd_code_throws_the_network_away_and_decides_again(network, monkeypatch, caplog, odd):
    network.warm()
    handle, real = network._handle, engine._assert_fact
    answers = iter([odd])
    monkeypatch.setattr(
        engine,
        "_assert_fact",
        lambda h, text: real(h, text) if '"k":2' in text else next(answers, None) or real(h, text),
    )
    with caplog.at_level(logging.WARNING):
        assert sorted(network.ask(fact(25))) == ["0", "1", "2"]
    assert network._handle != handle
    assert "answered oddly" in caplog.text


def test_a_match_without_an_action_throws_the_network_away(network, monkeypatch):
    network.warm()
    real, answers = engine._start, iter(["odd"])
    monkeypatch.setattr(engine, "_start", lambda h, s: None if next(answers, None) else real(h, s))
    assert sorted(network.ask(fact(25))) == ["0", "1", "2"]


def test_a_network_that_stays_odd_says_so_and_recovers(network, monkeypatch):
    network.warm()
    real = engine._assert_fact
    monkeypatch.setattr(engine, "_assert_fact", lambda h, text: real(h, text) if '"k":2' in text else (2, 0))
    with pytest.raises(UnavailableError) as failed:
        network.ask(fact(25))
    assert failed.value.code == "rules.engine_failed"
    monkeypatch.undo()
    assert sorted(network.ask(fact(25))) == ["0", "1", "2"]


def test_an_interruption_between_start_and_complete_does_not_silence_the_network(network, monkeypatch):
    network.warm()

    def interrupted(handle, state):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "_complete_and_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network.ask(fact(25))
    monkeypatch.undo()
    assert network._handle is None, "the network with an open action is thrown away at once"
    assert sorted(network.ask(fact(25))) == ["0", "1", "2"]


def test_a_fact_the_engine_cannot_read_is_an_error_and_nothing_is_left_behind(network):
    network.warm()
    with pytest.raises(UnavailableError):
        network.ask('{"id":"1","k":1,"a":')
    assert sorted(network.ask(fact(15))) == ["0", "1"]


def test_a_definition_the_engine_cannot_read_is_an_error():
    with pytest.raises(UnavailableError):
        Network("broken", '{"0": {"all": [{"m": ').ask(fact(1))


def test_networks_of_one_content_are_one_and_go_with_their_last_holder():
    gc.collect()
    before = networks_held()
    one, other = network_of("shared", definition()), network_of("shared", definition())
    assert one is other
    assert networks_held() == before + 1
    one.ask(fact(1))
    del one, other
    gc.collect()
    assert networks_held() == before


def test_thousands_of_networks_come_and_go():
    """Each is disposed of by the recipe: sentinel, state, rule set; handles and memory are given back."""
    for i in range(2_000):
        network = Network(f"n{i}", definition(2))
        assert list(network.ask(fact(5))) == ["0"]
    engine.give_memory_back()
    status = Path("/proc/self/statm").read_text(encoding="ascii")
    assert int(status.split()[1]) * 4_096 < 2_000 * 1024**2


def test_one_file_imports_durable_rules():
    importers = []
    for folder in ("capabilities", "rules", "activities", "workflows", "web", "zhongtai"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            if any(name.split(".")[0].startswith("durable") for name in names):
                importers.append(path.relative_to(ROOT).as_posix())
    assert importers == ["rules/engine.py"]
