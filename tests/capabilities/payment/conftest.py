"""The simulator with connections of its own to the test's database, and for some tests a short limit."""

import pytest
from sqlalchemy.orm import sessionmaker

from capabilities.kernel.settings import settings
from capabilities.payment.extensions import _PROVIDERS
from capabilities.payment.providers import simulator as simulator_module
from capabilities.payment.providers.simulator import NAME, Simulator


@pytest.fixture
def short_limit(monkeypatch):
    """For tests in which an answer must not come in time; all others are patient with a busy machine."""
    monkeypatch.setattr(settings(), "provider_limit_s", 0.4)
    monkeypatch.setattr(simulator_module, "LONGEST_SILENCE_S", 1.0)


@pytest.fixture
def simulator(engine, sessions, monkeypatch):
    simulated = Simulator(lambda: sessionmaker(engine))
    monkeypatch.setitem(_PROVIDERS, NAME, simulated)
    return simulated
