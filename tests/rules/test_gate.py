"""The gate: a process of its own that may crash or hang; facts that reach every rule."""

from __future__ import annotations

import random

import pytest

from capabilities.kernel.errors import InvalidError
from rules import gate
from rules.exercise import facts_for
from rules.gate import exercise_apart, exercise_here
from rules.reference import ReferenceRules
from tests.rules.documents import RISK, a_document, a_rule, asks
from tests.rules.random_documents import random_document


def test_a_sound_document_passes_in_a_process_of_its_own():
    report = exercise_apart(a_document(a_rule("r_1"), a_rule("r_2", grain="line", enabled=False)))
    assert (report.rules, report.rules_seen_true) == (1, 1)
    assert report.facts > 500
    risk = a_document(a_rule(when=asks("order.total_minor", "gte", 1), stage=10), decision=RISK)
    assert exercise_apart(risk).rules_seen_true == 1


def test_rules_that_do_not_end_are_stopped_with_a_sentence():
    with pytest.raises(InvalidError) as refused:
        exercise_apart(a_document(), time_limit_s=0.01)
    assert refused.value.code == "rules.gate_failed"
    assert "did not come to an end within 0.01 s" in refused.value.message


def test_rules_that_use_up_their_processor_time_are_stopped_with_the_same_sentence(monkeypatch):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    monkeypatch.setattr(gate, "COMMAND", ("-c", limited))
    with pytest.raises(InvalidError) as refused:
        exercise_apart(a_document())
    assert refused.value.message == "These rules did not come to an end within 60 s of being tried."


def test_rules_that_bring_the_engine_down_are_refused_and_this_process_lives(monkeypatch, tmp_path):
    crashing = tmp_path / "rules"
    crashing.mkdir()
    (crashing / "__init__.py").write_text("")
    (crashing / "gate.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(gate, "_ROOT", tmp_path)
    with pytest.raises(InvalidError) as refused:
        exercise_apart(a_document())
    assert refused.value.message == "These rules bring the engine down (code -11)."


def test_a_disagreement_names_the_rule(monkeypatch):
    monkeypatch.setattr(ReferenceRules, "fire", lambda self, grain, facts, stage=None: (0,))
    with pytest.raises(InvalidError) as refused:
        exercise_here(a_document(a_rule(name="Weekend")))
    assert refused.value.message == "The engine and its check disagree about “Weekend”."


def test_a_rule_that_cannot_be_compiled_is_told_by_the_other_process():
    with pytest.raises(InvalidError) as refused:
        exercise_apart(a_document(a_rule(when=asks("order.colour", "eq", "red"))))
    assert "no field 'order.colour'" in refused.value.message


@pytest.mark.parametrize("seed", range(5))
def test_the_facts_make_nearly_every_rule_hold_once_and_fail_once(seed):
    document = random_document(random.Random(seed), rules=60)
    reference = ReferenceRules(document.rules)
    true, false = set(), set()
    asked = list(facts_for(document, random_facts=300))
    for grain, facts in asked:
        fired = set(reference.fire(grain, facts))
        true |= fired
        false |= {i for i, rule in enumerate(document.rules) if rule.grain == grain} - fired
    enabled = {i for i, rule in enumerate(document.rules) if rule.enabled}
    assert len(true & enabled) >= 0.8 * len(enabled)
    assert len(false & enabled) >= 0.8 * len(enabled)
    assert asked == list(facts_for(document, random_facts=300))
