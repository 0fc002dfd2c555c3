"""The jobs about messages of providers: what the simulator posts, and what waits for its payment."""

from __future__ import annotations

import httpx
import pytest

from capabilities.kernel.settings import settings
from workflows import provider_messages


def test_the_simulator_posts_to_our_own_endpoint(monkeypatch):
    asked = []

    def post(url, **told):
        asked.append((url, told["content"]))
        return httpx.Response(200)

    monkeypatch.setattr(provider_messages.httpx, "post", post)
    monkeypatch.setattr(settings(), "public_url", "https://shop.example/")

    assert provider_messages._post({}, b"{}") == 200
    assert asked == [("https://shop.example/api/v1/webhooks/simulator", b"{}")]


def test_an_endpoint_that_is_away_is_an_error_that_is_tried_again(monkeypatch):
    def away(url, **told):
        raise httpx.ConnectError("away")

    monkeypatch.setattr(provider_messages.httpx, "post", away)
    with pytest.raises(OSError, match="away"):
        provider_messages._post({}, b"{}")
