"""The manifests of `deploy/kubernetes` fit Kubernetes' schemas, the settings and each other."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from chatkit_server.app import create_app
from chatkit_server.settings import read_settings
from tests.docs import shell
from tests.named import ROOT

FOLDER = ROOT / "deploy/kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
# The oldest and the newest that the package has schemas for and clouds still offer.
VERSIONS = ["1.31", "1.37"]


def resources() -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in FILES:
        for resource in yaml.safe_load_all(file.read_text()):
            if resource["kind"] != "Kustomization":
                yield file, resource


def the(kind: str, name: str = "chatkit") -> dict[str, Any]:
    [found] = [r for _, r in resources() if r["kind"] == kind and r["metadata"]["name"] == name]
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The specifications of all pods."""
    index = the("CronJob", "chatkit-index")["spec"]["jobTemplate"]["spec"]
    return {
        "server": the("Deployment")["spec"]["template"]["spec"],
        "migrate": the("Job", "chatkit-migrate")["spec"]["template"]["spec"],
        "index": index["template"]["spec"],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_fits_the_schema(version: str) -> None:
    found = list(resources())
    assert len(found) >= 9
    for _, resource in found:
        kubernetes_validate.validate(resource, version, strict=True)


def test_a_field_that_is_none_would_be_found() -> None:
    broken = the("Deployment")
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_server_takes_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in shell.NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    values = {**the("ConfigMap")["data"], **the("Secret")["stringData"]}
    assert set(values) - shell.NAMES == set()
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    settings = read_settings()

    assert settings.migrate == "off"
    assert settings.data_dir == Path("/data")


def test_a_pod_outlives_the_answers_that_it_lets_end() -> None:
    server = pods()["server"]
    hook = server["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    drain = float(the("ConfigMap")["data"]["CHATKIT_DRAIN"])

    # The operations' page asks for ten seconds beside CHATKIT_DRAIN.
    assert server["terminationGracePeriodSeconds"] >= float(hook[1]) + drain + 10


def test_probes_ask_what_the_server_answers() -> None:
    server = pods()["server"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    routes = {getattr(route, "path", "") for route in create_app(read_settings({})).routes}

    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = server[probe]["httpGet"]
        assert asked["path"] in routes
        assert ports[asked["port"]] == 8000
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz"
    # A part that is down takes up to two seconds to be known as that.
    assert server["readinessProbe"]["timeoutSeconds"] > 2
    assert str(ports["metrics"]) == the("ConfigMap")["data"]["CHATKIT_METRICS_PORT"]


@pytest.mark.parametrize("name", ["server", "migrate", "index"])
def test_every_pod_runs_a_command_of_ours_without_rights(name: str) -> None:
    pod = pods()[name]
    [container] = pod["containers"]

    assert shell.complaint(container["command"]) is None
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    # Kubernetes gives pods the address of the Service `chatkit` as CHATKIT_PORT.
    assert pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # What is written goes to the data folder, which such a root has no place for.
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {"/data", "/tmp"} <= set(mounted)
    assert set(mounted.values()) == volumes
    assert container["resources"]["limits"]["memory"]


def test_what_selects_the_pods_finds_them() -> None:
    labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        the("Deployment")["spec"]["selector"]["matchLabels"],
        the("Service")["spec"]["selector"],
        the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert selectors == [labels] * len(selectors)
    scaled = the("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", "chatkit")
    assert "replicas" not in the("Deployment")["spec"]


def test_only_prometheus_reaches_the_metrics() -> None:
    rules = the("NetworkPolicy")["spec"]["ingress"]
    open_to = {
        port["port"]: [place["namespaceSelector"]["matchLabels"] for place in rule["from"]]
        for rule in rules
        for port in rule["ports"]
    }
    assert open_to["metrics"] == [{"kubernetes.io/metadata.name": "monitoring"}]
    assert {port["targetPort"] for port in the("Service")["spec"]["ports"]} == {"http"}


def test_every_file_is_applied_or_said_not_to_be() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    names = {file.name for file in FILES}
    assert names - set(listed) == {"kustomization.yaml", "migrate.yaml", "secret.example.yaml"}


def test_commands_in_comments_name_what_there_is() -> None:
    named = {resource["metadata"]["name"] for _, resource in resources()}
    for file in FILES:
        for line in re.findall(r"^ *#   (kubectl .*)$", file.read_text(), re.MULTILINE):
            for word in shlex.split(line):
                kind, _, name = word.partition("/")
                if kind in ("job", "--from=cronjob"):
                    assert not name or name in named
                if word.endswith(".yaml"):
                    assert (FOLDER / word).exists()
