"""durable_rules, inside the recipe in which it is right: the only file that knows it.

The C module is called directly. A network is one rule set of at most 60 rows; only integers reach it, as one flat fact
with a fixed id and a marker first. Anything but the two answers we know means that the network is thrown away and built
anew. Why each line is as it is stands beside it: every deviation was seen to crash, to hang or to answer wrongly.
"""

from __future__ import annotations

import ctypes
import logging
from contextlib import suppress
from threading import Lock
from weakref import WeakValueDictionary

import durable_rules_engine as durable

from capabilities.kernel.errors import UnavailableError

_LOG = logging.getLogger(__name__)

MATCHED, NOTHING_MATCHED = 0, 1
_SENTINEL = '{"id":"0","k":2}'
_FACT_ID = '{"id":"1"}'  # a fact is taken back by its id alone
_NONE: tuple[str, ...] = ()

# bound once: the attribute look-up is measurable at these speeds
_assert_fact = durable.assert_fact
_retract_fact = durable.retract_fact
_start = durable.start_action_for_state
_complete_and_start = durable.complete_and_start_action


class OddAnswerError(Exception):
    """The engine said something that has no place in the recipe."""


class Network:
    """One engine rule set. `ask` is safe from several threads; the engine is built at the first question."""

    __slots__ = ("__weakref__", "_handle", "_lock", "definition", "name")

    def __init__(self, name: str, definition: str) -> None:
        self.name = name
        self.definition = definition
        self._handle: int | None = None
        self._lock = Lock()

    def warm(self) -> None:
        """Build the engine now rather than at the first question."""
        with self._lock:
            if self._handle is None:
                self._build()

    def ask(self, fact: str) -> tuple[str, ...] | list[str]:
        """The names of the rows the fact matches. The fact is `{"id":"1","g0":1,…}` with integers only."""
        # two threads in one network without a lock: 94 % wrong answers
        with self._lock:
            try:
                return _matches(self._handle or self._build(), fact)
            except (OddAnswerError, durable.error) as odd:
                return self._ask_anew(fact, odd)
            except BaseException:
                # interrupted between start and complete, the network would say nothing for 61 s, without an error
                self._dispose()
                raise

    def _ask_anew(self, fact: str, odd: Exception) -> tuple[str, ...] | list[str]:
        _LOG.warning("network %s answered oddly (%s): it is built anew", self.name, odd)
        self._dispose()
        try:
            return _matches(self._build(), fact)
        except (OddAnswerError, durable.error) as again:
            self._dispose()
            raise UnavailableError(
                "rules.engine_failed", f"The rule engine cannot decide: {again}.", mend="Try again."
            ) from again

    def _build(self) -> int:
        handle = durable.create_ruleset(self.name, self.definition)
        # the session must have fired once before it may be deleted: else memory is corrupted
        _drain(handle)
        _retract_fact(handle, _SENTINEL)
        self._handle = handle
        return int(handle)

    def _dispose(self) -> None:
        handle, self._handle = self._handle, None
        if handle is None:
            return
        with suppress(OddAnswerError, durable.error):
            _drain(handle)
            durable.delete_state(handle, None)
        with suppress(durable.error):
            durable.delete_ruleset(handle)

    def __del__(self) -> None:
        # nobody can be asking: the last reference is gone
        with suppress(Exception):
            self._dispose()


def _matches(handle: int, fact: str) -> tuple[str, ...] | list[str]:
    code, state = _assert_fact(handle, fact)
    if code == NOTHING_MATCHED:
        return _NONE  # nothing is stored either
    if code != MATCHED:
        raise OddAnswerError(f"code {code} on asserting")
    started = _start(handle, state)
    if started is None:
        raise OddAnswerError("a match without an action")
    text = started[1]
    names = [text[2 : text.find('"', 2)]]
    while (text := _complete_and_start(handle, state)) is not None:
        names.append(text[2 : text.find('"', 2)])
    if _retract_fact(handle, _FACT_ID)[0] > NOTHING_MATCHED:
        raise OddAnswerError("the fact could not be taken back")
    return names


def _drain(handle: int) -> None:
    code, state = _assert_fact(handle, _SENTINEL)
    if code != MATCHED or _start(handle, state) is None:
        raise OddAnswerError(f"code {code} on the sentinel")
    while _complete_and_start(handle, state) is not None:
        pass


_networks: WeakValueDictionary[str, Network] = WeakValueDictionary()
_networks_lock = Lock()


def network_of(name: str, definition: str) -> Network:
    """The network of this content: one in this process, as long as anybody holds it."""
    with _networks_lock:
        found = _networks.get(name)
        if found is None:
            found = _networks[name] = Network(name, definition)
        return found


def networks_held() -> int:
    """How many networks this process holds, for metrics and tests."""
    return len(_networks)


def give_memory_back() -> None:
    """Return freed memory to the system; glibc keeps it otherwise, and a publish would look like a leak."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
