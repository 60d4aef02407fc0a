"""The resources for Kubernetes: by Kubernetes' own schemas, by the worker's settings, and by what belongs together."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from deploy.files import DEPLOY, ROLES, documents, tool, wrong_variable

from worker import __version__
from worker.app import _STOP_SECONDS
from worker.flow import events
from worker.settings import Settings

KUBERNETES = DEPLOY / "kubernetes"
BASE, KEDA, EXAMPLE = KUBERNETES / "base", KUBERNETES / "components/keda", KUBERNETES / "overlays/example"
#: The oldest and the newest version whose schemas the resources are checked against.
VERSIONS = ("1.30", "1.37")
#: Files that stand for the mounted secrets.
_SECRETS = {
    "smtp/password": "x", "links/keys": "x" * 32, "kafka/password": "x", "kafka/ca.crt": "",
    "login/oidc": "x", "sources/after_delivery": "x", "sources/cloudevents": "x", "sources/pseudonym-key": "x" * 32,
}  # fmt: skip
Resource = dict[str, Any]


def resources(folder: Path) -> list[Resource]:
    """Return the resources of a folder, without kustomize's own files and patches."""
    kustomization = documents(folder / "kustomization.yaml")[0]
    named = [name for name in kustomization["resources"] if name.endswith(".yaml")]
    return [document for name in named for document in documents(folder / name)]


def of_kind(kind: str, found: list[Resource]) -> dict[str, Resource]:
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def deployments() -> dict[str, Resource]:
    return {name.removeprefix("detractor-worker-"): one for name, one in of_kind("Deployment", resources(BASE)).items()}


def container(deployment: Resource) -> Resource:
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    found: Resource = only
    return found


def variables(deployment: Resource) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(deployment).get("env", [])}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_schemas_accept_every_resource(version: str) -> None:
    found = [*resources(BASE), *(one for one in resources(EXAMPLE) if "keda.sh" not in one["apiVersion"])]

    assert len(found) > 8
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelt_key_is_refused() -> None:
    deployment = yaml.safe_load(yaml.safe_dump(deployments()["web"]))
    container(deployment)["livenesProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_every_file_is_used() -> None:
    for folder in (BASE, KEDA, EXAMPLE):
        [kustomization] = documents(folder / "kustomization.yaml")
        used = {*kustomization["resources"]}
        used |= {one["path"] for one in kustomization.get("patches", []) if "path" in one}
        used |= {
            name
            for one in kustomization.get("configMapGenerator", [])
            for file in one["files"]
            for name in [file.rpartition("=")[2]]
        }
        there = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
        assert there == {name for name in used if not name.startswith("..")}


def test_each_role_has_a_deployment_and_a_disruption_budget() -> None:
    budgets = of_kind("PodDisruptionBudget", resources(BASE))

    assert set(deployments()) == ROLES - {"all"}
    for role, deployment in deployments().items():
        assert container(deployment)["args"] == ["run", "--role", role]
        assert container(deployment)["image"] == f"detractor-worker:{__version__}"
        selector = {"app.kubernetes.io/component": role}
        assert deployment["spec"]["selector"]["matchLabels"] == selector
        assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        budget = budgets[f"detractor-worker-{role}"]["spec"]
        assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, selector)


@pytest.mark.parametrize("role", sorted(ROLES - {"all"}))
def test_a_pod_has_no_rights_that_it_does_not_need(role: str) -> None:
    pod = deployments()[role]["spec"]["template"]["spec"]
    security = container(deployments()[role])["securityContext"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (DEPLOY.parent / "Dockerfile").read_text(encoding="utf-8")
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert not pod["automountServiceAccountToken"]
    assert pod["terminationGracePeriodSeconds"] > _STOP_SECONDS + 2
    assert len(pod["topologySpreadConstraints"]) == 2


@pytest.mark.parametrize("role", sorted(ROLES - {"all"}))
def test_probes_ask_the_port_of_the_metrics(role: str) -> None:
    deployment = deployments()[role]
    found = container(deployment)
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}

    assert variables(deployment)["NPS_METRICS__BIND"] == f"0.0.0.0:{ports['metrics']}"
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["metrics"])
    asked = {name: found[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/startupz", "port": "metrics"},
        "liveness": {"path": "/livez", "port": "metrics"},
        "readiness": {"path": "/readyz", "port": "metrics"},
    }


@pytest.mark.parametrize("role", sorted(ROLES - {"all"}))
def test_every_variable_is_a_setting_and_every_secret_is_mounted(role: str) -> None:
    deployment = deployments()[role]
    mounts = [one["mountPath"] for one in container(deployment)["volumeMounts"]]
    volumes = {one["name"] for one in deployment["spec"]["template"]["spec"]["volumes"]}
    found = variables(deployment)

    assert [why for why in map(wrong_variable, found) if why is not None] == []
    assert {one["name"] for one in container(deployment)["volumeMounts"]} == volumes
    for name, value in found.items():
        if name.endswith("_FILE") or name == "NPS_CONFIG":
            assert str(Path(value).parent) in mounts, name
        assert not name.endswith(("PASSWORD", "KEYS", "SECRETS")), "a secret belongs in a file"


def patches() -> dict[str, Resource]:
    """Return the example's changes of Deployments, by the file."""
    listed = documents(EXAMPLE / "kustomization.yaml")[0]["patches"]
    return {one["path"]: documents(EXAMPLE / one["path"])[0] for one in listed if "path" in one}


def test_the_example_sets_every_variable_that_is_not_the_same_everywhere() -> None:
    changed = patches()["notify-addresses.yaml"]
    own = variables_of_an_installation("notify")

    assert changed["metadata"]["name"] == "detractor-worker-notify"
    assert variables(changed).keys() == own.keys() == {"NPS_SMTP__USERNAME", "NPS_WEB__BASE_URL"}
    assert not variables(changed).items() & own.items()


def test_the_example_sets_its_own_sources_behind_its_own_proxy() -> None:
    changed, own = patches()["receive-sources.yaml"], variables_of_an_installation("receive")

    assert changed["metadata"]["name"] == "detractor-worker-receive"
    assert own.keys() == {"NPS_RECEIVE__HOST", "NPS_RECEIVE__SOURCES"}
    assert variables(changed).keys() == {
        "NPS_RECEIVE__SOURCES", "NPS_RECEIVE__PUBLIC_URL", "NPS_RECEIVE__TRUSTED_PROXIES"
    }  # fmt: skip
    assert not variables(changed).items() & own.items()


def test_the_example_sets_its_own_address_and_login_of_the_page() -> None:
    changed, own = patches()["web-login.yaml"], variables_of_an_installation("web")

    assert changed["metadata"]["name"] == "detractor-worker-web"
    assert own.keys() == {"NPS_WEB__BASE_URL"}
    assert variables(changed).keys() == {"NPS_WEB__BASE_URL", "NPS_WEB__TRUSTED_PROXIES", "NPS_WEB__AUTH"}
    assert not variables(changed).items() & own.items()
    assert variables(changed)["NPS_WEB__BASE_URL"] == variables(patches()["notify-addresses.yaml"])["NPS_WEB__BASE_URL"]


def variables_of_an_installation(role: str) -> dict[str, str]:
    """Return the variables of a Deployment that are not the same everywhere."""
    return {
        name: value
        for name, value in variables(deployments()[role]).items()
        if not name.endswith("_FILE") and name not in {"NPS_CONFIG", "NPS_METRICS__BIND"}
    }


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
@pytest.mark.parametrize("role", sorted(ROLES - {"all"}))
def test_the_worker_accepts_the_settings(
    role: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With secrets and certificates in a folder of this machine in place of /run/secrets."""
    given = variables(deployments()[role])
    for name, patch in patches().items() if folder == EXAMPLE else ():
        assert [why for why in map(wrong_variable, variables(patch)) if why is not None] == []
        if name == "kafka-login.yaml" or patch["metadata"]["name"] == f"detractor-worker-{role}":
            given |= variables(patch)
    for name, content in _SECRETS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    here = str(tmp_path)
    (tmp_path / "worker.toml").write_text((folder / "settings.toml").read_text().replace("/run/secrets", here))
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", here))
    monkeypatch.setenv("NPS_CONFIG", str(tmp_path / "worker.toml"))
    settings = Settings()

    assert settings.wrong_receivers() == []
    assert (settings.web.base_url is not None) == (role in {"notify", "web"})
    assert bool(settings.web.keys) == (role in {"notify", "web"})
    assert settings.web.auth.is_set == (folder == EXAMPLE and role == "web")
    assert bool(settings.receive.sources) == (role == "receive")
    ports = {port["name"]: port["containerPort"] for port in container(deployments()[role])["ports"]}
    assert ports.get("pages", settings.web.port) == settings.web.port
    assert ports.get("deliveries", settings.receive.port) == settings.receive.port


def test_policies_let_the_pods_reach_what_the_settings_name() -> None:
    allowed: dict[str, set[int]] = {}
    for name, policy in of_kind("NetworkPolicy", resources(BASE)).items():
        allowed[name] = {port["port"] for rule in policy["spec"].get("egress", []) for port in rule.get("ports", [])}
    for folder in (BASE, EXAMPLE):
        settings = tomllib.loads((folder / "settings.toml").read_text(encoding="utf-8"))
        assert int(settings["kafka"]["bootstrap_servers"].rpartition(":")[2]) in allowed["detractor-worker"]
        assert settings["smtp"]["port"] in allowed["detractor-worker-notify"]
    assert 443 in allowed["detractor-worker-notify"]
    assert 443 in allowed["detractor-worker-receive"]
    assert 443 in allowed["detractor-worker-web"]  # the provider of the login


def test_keda_follows_the_groups_and_topics_of_the_worker() -> None:
    scaled = of_kind("ScaledObject", resources(KEDA))
    kafka = tomllib.loads((BASE / "settings.toml").read_text(encoding="utf-8"))["kafka"]
    topics = {"process": events.RESPONSES, "notify": events.ALERTS}

    assert set(scaled) == {f"detractor-worker-{role}" for role in topics}
    for role, topic in topics.items():
        spec = scaled[f"detractor-worker-{role}"]["spec"]
        [trigger] = spec["triggers"]
        assert spec["scaleTargetRef"]["name"] == f"detractor-worker-{role}"
        assert spec["minReplicaCount"] == 1
        assert spec["maxReplicaCount"] == kafka["partitions"]
        assert trigger["metadata"]["consumerGroup"] == f"{kafka['group']}-{role}"
        assert trigger["metadata"]["topic"] == f"nps.{topic}"
        assert trigger["metadata"]["bootstrapServers"] == kafka["bootstrap_servers"]
        assert all(isinstance(value, str) for value in trigger["metadata"].values())


@pytest.fixture(scope="module")
def built() -> list[Resource]:
    """The example as kubectl builds it."""
    done = subprocess.run([tool("kubectl"), "kustomize", str(EXAMPLE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [*yaml.safe_load_all(done.stdout)]


def test_the_example_builds_and_its_parts_belong_together(built: list[Resource]) -> None:
    for one in built:
        if "keda.sh" not in one["apiVersion"]:
            kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "detractor-worker"
    [settings] = of_kind("ConfigMap", built).values()
    found = of_kind("Deployment", built)

    assert len(found) == 4
    for name, deployment in found.items():
        pod = deployment["spec"]["template"]["spec"]
        assert ("replicas" in deployment["spec"]) == (name in {"detractor-worker-web", "detractor-worker-receive"})
        maps = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
        assert maps == [settings["metadata"]["name"]]
        assert container(deployment)["image"].startswith("registry.example.com/")
        assert variables(deployment)["NPS_KAFKA__SASL_PASSWORD_FILE"] == "/run/secrets/kafka/password"
        mounted = {mount["mountPath"] for mount in container(deployment)["volumeMounts"]}
        assert {*re.findall(r"/run/secrets/[\w-]+", " ".join(variables(deployment).values()))} <= mounted
    notify = variables(found["detractor-worker-notify"])
    assert variables(patches()["notify-addresses.yaml"]).items() <= notify.items()
    for scaled in of_kind("ScaledObject", built).values():
        [trigger] = scaled["spec"]["triggers"]
        assert scaled["spec"]["scaleTargetRef"]["name"] in found
        assert trigger["authenticationRef"]["name"] in of_kind("TriggerAuthentication", built)
        assert trigger["metadata"]["bootstrapServers"].endswith(":9093")
