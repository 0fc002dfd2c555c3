"""Compiled releases are kept by content, the longest unused are let go with their networks."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rules import deciding
from rules.document import content_sha256
from rules.engine import networks_held
from rules.matching import CompiledRelease
from tests.rules.documents import a_document, a_rule, asks


def numbered(i):
    return a_document(a_rule(when=asks("order.subtotal_minor", "gte", 880_000 + i)))


def compiled(i):
    document = numbered(i)
    found = deciding.matcher_of(document, content_sha256(document))
    found.warm()
    return found


def test_equal_content_is_compiled_once():
    assert compiled(0) is compiled(0)
    assert compiled(0) is not compiled(1)


def test_what_many_ask_for_at_once_is_compiled_by_the_first(monkeypatch):
    document, made = numbered(2), []
    sha256 = content_sha256(document)

    def slowly(document):
        made.append(document)
        time.sleep(0.1)
        return CompiledRelease(document)

    monkeypatch.setattr(deciding, "CompiledRelease", slowly)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: deciding.matcher_of(document, sha256), range(8)))
    assert len(made) == 1
    assert {id(one) for one in found} == {id(found[0])}


def test_who_waits_for_a_compilation_that_fails_compiles_too(monkeypatch):
    document, asked = numbered(3), []
    sha256 = content_sha256(document)

    def the_first_fails(document):
        asked.append(document)
        if len(asked) == 1:
            raise MemoryError
        return CompiledRelease(document)

    monkeypatch.setattr(deciding, "CompiledRelease", the_first_fails)
    with pytest.raises(MemoryError):
        deciding.matcher_of(document, sha256)
    assert deciding.matcher_of(document, sha256).fire("order", {"order.subtotal_minor": 900_000}) == (0,)


def test_the_longest_unused_go_and_their_networks_with_them(monkeypatch):
    monkeypatch.setattr(deciding, "_matchers", type(deciding._matchers)())
    monkeypatch.setattr(deciding, "MATCHERS_KEPT", 3)
    gc.collect()
    before = networks_held()
    first = id(compiled(10))
    for i in (11, 12, 10, 13):
        compiled(i)
    gc.collect()
    assert networks_held() - before <= 3
    assert id(compiled(10)) == first
    assert len(deciding._matchers) == 3


def test_a_release_somebody_still_asks_works_after_it_was_let_go(monkeypatch):
    monkeypatch.setattr(deciding, "_matchers", type(deciding._matchers)())
    monkeypatch.setattr(deciding, "MATCHERS_KEPT", 1)
    held = compiled(20)
    compiled(21)
    assert held.fire("order", {"order.subtotal_minor": 900_000}) == (0,)


def test_the_first_by_priority_then_by_position_decides():
    document = a_document(a_rule("r_1"), a_rule("r_2", priority=3), a_rule("r_3", priority=3))
    matcher = deciding.reference_of(document)
    facts = {"order.subtotal_minor": 20_000}
    assert deciding.deciding_rule(document, matcher, "order", facts).id == "r_2"
    assert deciding.deciding_rule(document, matcher, "order", facts, lambda rule: rule.priority == 0).id == "r_1"
    assert deciding.deciding_rule(document, matcher, "order", {}) is None
