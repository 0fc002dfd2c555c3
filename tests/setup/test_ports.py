"""Ports: a taken one is named with its holder and its setting; nothing else is chosen."""

from __future__ import annotations

import os
import socket

import pytest

from capabilities.kernel.errors import ConflictError
from capabilities.kernel.settings import Settings
from tests.conftest import free_port
from zhongtai.front_ports import front_ports
from zhongtai.ports import demand_free, is_free, ports_of


@pytest.fixture(autouse=True)
def other_fronts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The front-ends beside the shop are moved out of the way of an installation that runs here."""
    for business in ("FINANCE", "LOGISTICS", "TOURISM"):
        monkeypatch.setenv(f"ZHONGTAI_{business}_PORT", str(free_port()))


def settings_on_free_ports(**changes: object) -> Settings:
    return Settings.model_validate(
        {name: free_port() for name in ("port", "shop_port", "temporal_port", "temporal_ui_port")} | changes
    )


def test_free_ports_are_no_trouble():
    demand_free(ports_of(settings_on_free_ports()))


def test_a_taken_port_is_named_with_its_purpose_its_holder_and_its_setting():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(ConflictError) as raised:
            demand_free(ports_of(settings_on_free_ports(port=number)))
    assert raised.value.code == "port.taken"
    sentence = str(raised.value)
    assert sentence.startswith(f"Port {number}, meant for the console and the API, is taken by python")
    assert f"(pid {os.getpid()}: " in sentence
    assert sentence.endswith("End that, or set ZHONGTAI_PORT to a free port.")


def test_every_taken_port_is_named_at_once():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        settings = settings_on_free_ports(shop_port=one.getsockname()[1], temporal_port=two.getsockname()[1])
        with pytest.raises(ConflictError) as raised:
            demand_free(ports_of(settings))
    assert "ZHONGTAI_SHOP_PORT" in str(raised.value)
    assert "ZHONGTAI_TEMPORAL_PORT" in str(raised.value)


def test_two_settings_on_one_port_are_told_apart_before_anything_starts():
    number = free_port()
    with pytest.raises(ConflictError, match=f"name the same port {number}") as raised:
        demand_free(ports_of(settings_on_free_ports(port=number, shop_port=number)))
    assert raised.value.code == "port.doubled"


def test_a_temporal_server_elsewhere_needs_no_port_here():
    purposes = {port.setting for port in ports_of(settings_on_free_ports(temporal_address="elsewhere:7233"))}
    fronts = {f"ZHONGTAI_{front}_PORT" for front in ("SHOP", "FINANCE", "LOGISTICS", "TOURISM")}
    assert purposes == {"ZHONGTAI_PORT"} | fronts


def test_each_front_end_has_a_port_of_its_own_that_a_setting_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    for business in ("FINANCE", "LOGISTICS", "TOURISM"):
        monkeypatch.delenv(f"ZHONGTAI_{business}_PORT")
    assert front_ports(Settings()) == {"retail": 8081, "finance": 8082, "logistics": 8083, "tourism": 8084}
    monkeypatch.setenv("ZHONGTAI_TOURISM_PORT", "9084")
    assert front_ports(Settings())["tourism"] == 9084


def test_a_port_just_given_back_is_free_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = ports_of(settings_on_free_ports(port=server.getsockname()[1]))[0]
        assert not is_free(port)
        with socket.create_connection(("127.0.0.1", port.number)):
            pass
    assert is_free(port)
