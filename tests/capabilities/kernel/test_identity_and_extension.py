"""A difference between businesses is looked up, never an `if` on a name."""

from __future__ import annotations

import pytest

from capabilities.kernel.errors import ConflictError
from capabilities.kernel.extension import ExtensionPoint, extension_points
from capabilities.kernel.identity import BusinessIdentity


@pytest.fixture
def point():
    from capabilities.kernel import extension

    made = ExtensionPoint("test.greeting", lambda: "default")
    yield made
    del extension._POINTS["test.greeting"]


def test_an_identity_falls_back_from_scenario_to_business_to_platform():
    assert [str(i) for i in BusinessIdentity("retail", "livestream").fallback()] == [
        "retail/livestream",
        "retail",
        "platform",
    ]


def test_the_platform_falls_back_to_nothing_else():
    assert list(BusinessIdentity("platform").fallback()) == [BusinessIdentity("platform")]


def test_the_nearest_realization_answers(point):
    point.realize("retail")(lambda: "retail")
    point.realize("retail", "livestream")(lambda: "live")
    asked = [BusinessIdentity("retail", "livestream"), BusinessIdentity("retail", "shop"), BusinessIdentity("tourism")]
    assert [point.for_identity(identity)() for identity in asked] == ["live", "retail", "default"]


def test_two_realizations_for_one_identity_conflict(point):
    point.realize("retail")(lambda: "one")
    with pytest.raises(ConflictError) as caught:
        point.realize("retail")(lambda: "two")
    assert caught.value.code == "extension.realized_twice"


def test_a_declared_point_stands_in_the_catalogue(point):
    assert extension_points()["test.greeting"] is point
