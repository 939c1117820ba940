"""Install, upgrade, rotate, roll back, uninstall: what a release leaves behind, and what becomes of its keys."""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.chart.rendering import CHART, merged
from tests.cluster.cluster import VALUES, Cluster, CommandFailed

NAMESPACE = "lifecycle"
ONE_OF_EACH: Mapping[str, Any] = merged(
    VALUES,
    {
        "relay": {"kind": "Deployment", "replicas": 1, "nodePort": 30999},
        "transceiver": {"replicas": 1, "drainSeconds": 1},
        "worker": {"replicas": 1, "drainSeconds": 1},
    },
)
CHANGED: Mapping[str, Any] = merged(
    ONE_OF_EACH,
    {"transceiver": {"maxSessions": 77}, "keys": {"rotation": {"enabled": True, "propagationSeconds": 2}}},
)
KEYS, API_KEYS, TRANSCEIVER = "new-offhook-keys", "new-offhook-api-keys", "statefulset/new-offhook-transceiver"
# Of the namespace itself, and what Kubernetes keeps as a diary.
ALWAYS_THERE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
DIARY = ("event/", "event.events.k8s.io/")


class Life:
    """A namespace in which a release comes and goes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        kinds = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        self._kinds = ",".join(kinds)

    def kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl(*arguments, namespace=NAMESPACE)

    def helm(self, command: str, *options: str, values: Mapping[str, Any] | None = None) -> str:
        subject = ("new", str(CHART)) if command in {"install", "upgrade"} else ("new",)
        return self._cluster.helm(command, *subject, *options, namespace=NAMESPACE, values=values)

    def left(self) -> set[str]:
        """Every object in the namespace, of whatever kind, that was not there before."""
        listed = self.kubectl("get", self._kinds, "--output=name", "--ignore-not-found").split()
        return {name for name in listed if not name.startswith(DIARY)} - ALWAYS_THERE

    def await_left(self, *names: str) -> None:
        """Returns when these are all there is; pods go a little later than what owned them."""
        deadline = time.monotonic() + 90
        while (left := self.left()) != set(names):
            assert time.monotonic() < deadline, f"left: {left}"
            time.sleep(1)

    def secret(self, name: str) -> dict[str, str]:
        """What a Secret holds."""
        data = json.loads(self.kubectl("get", "secret", name, "--output=json"))["data"]
        return {file: base64.b64decode(content).decode() for file, content in data.items()}

    def routing_keys(self) -> dict[str, bool]:
        """Which routing keys there are, by id, and whether they mint."""
        configurations = json.loads(self.secret(KEYS)["keys.json"])["configurations"]
        return {key["id"]: key.get("mint", len(configurations) == 1) for key in configurations}

    def configuration(self) -> str:
        """The transceivers' file."""
        return self.kubectl("get", "configmap", "new-offhook-transceiver", "--output=jsonpath={.data}")


@pytest.fixture(scope="module")
def life(cluster: Cluster) -> Iterator[Life]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield Life(cluster)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_a_release_lives_without_losing_a_key_and_leaves_nothing(life: Life, show: Callable[[str], None]) -> None:
    life.helm("install", "--wait", "--timeout=180s", values=ONE_OF_EACH)
    first, api_keys = life.secret(KEYS), life.secret(API_KEYS)
    assert life.routing_keys() == {"A": True}
    assert not [name for name in life.left() if "key-keeper" in name and "pod/" not in name], (
        "what made the keys is gone"
    )
    for field in ("all", "manifest", "values", "hooks"):
        released = life.helm("get", field)
        assert not [
            key for key in (api_keys["api_keys"].strip(), json.loads(first["keys.json"])) if str(key) in released
        ]

    life.helm("upgrade", "--wait", "--timeout=120s", values=CHANGED)
    life.kubectl("rollout", "status", TRANSCEIVER, "--timeout=60s")
    assert (life.secret(KEYS), life.secret(API_KEYS)) == (first, api_keys)
    assert "max_sessions: 77" in life.configuration()

    life.kubectl("create", "job", "rotation", "--from=cronjob/new-offhook-key-keeper-rotation")
    life.kubectl("wait", "--for=condition=complete", "job/rotation", "--timeout=60s")
    assert life.routing_keys() == {"A": False, "B": True}
    rotated = life.secret(KEYS)
    life.kubectl("delete", "job", "rotation")

    with pytest.raises(CommandFailed, match=r"relay.*drainSeconds|drainSeconds.*relay"):
        life.helm("upgrade", values=merged(CHANGED, {"relay": {"drainSeconds": "soon"}}))
    life.helm("rollback", "1", "--wait", "--timeout=120s")
    assert (life.secret(KEYS), life.secret(API_KEYS)) == (rotated, api_keys), "a rollback brings no old key back"
    assert "max_sessions: 400" in life.configuration()
    assert not [name for name in life.left() if "cronjob" in name]

    before = len(life.left())
    life.helm("uninstall", "--wait", "--timeout=120s")
    life.await_left()
    show(f"a release of {before} objects was installed, upgraded, rotated, rolled back and removed: nothing is left")


def test_keys_may_outlive_a_release(life: Life, show: Callable[[str], None]) -> None:
    keeping = merged(ONE_OF_EACH, {"keys": {"deleteOnUninstall": False}})
    life.helm("install", values=keeping)
    kept = life.secret(KEYS), life.secret(API_KEYS)
    life.helm("uninstall", "--wait", "--timeout=120s")
    life.await_left(f"secret/{KEYS}", f"secret/{API_KEYS}")
    life.helm("install", values=keeping)
    assert (life.secret(KEYS), life.secret(API_KEYS)) == kept
    life.helm("uninstall", "--wait", "--timeout=120s")
    # As docs/kubernetes.md says.
    life.kubectl("delete", "secret", "--selector", "app.kubernetes.io/name=offhook,app.kubernetes.io/component=keys")
    life.await_left()
    show("keys.deleteOnUninstall=false: two Secrets outlive the release and serve the next one")
