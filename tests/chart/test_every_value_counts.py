"""Each documented value changes what is rendered, and a wrong one is refused with a sentence one can act on."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, Refused, merged, nested, render

LABEL, LIST = {"example.com/a": "b"}, [{"name": "a"}]
POD: Mapping[str, object] = {
    "nodeSelector": LABEL,
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 2}],
    "priorityClassName": "high",
    "podAnnotations": LABEL,
    "podLabels": LABEL,
    "config": {"log_level": "debug"},
    "resources": {"limits": {"memory": "3Gi"}},
    "podDisruptionBudget": {"maxUnavailable": "10%"},
}
VOLUME = {"persistentVolumeClaim": {"claimName": "models"}}
BALANCED = {"relay": {"kind": "Deployment", "expose": "LoadBalancer"}}
CHANGES: Mapping[str, object] = {
    "clusterId": 2,
    "listenAddress": "::",
    "discovery": "dns",
    "image.repository": "elsewhere/offhook",
    "image.tag": "9",
    "image.pullPolicy": "Always",
    "image.pullSecrets": LIST,
    "relay.kind": "Deployment",
    "relay.replicas": 5,
    "relay.expose": "NodePort",
    "relay.port": 443,
    "relay.nodePort": 30500,
    "relay.loadBalancer.annotations": LABEL,
    "relay.loadBalancer.class": "nlb",
    "relay.loadBalancer.sourceRanges": ["192.0.2.0/24"],
    "relay.advertise": ["203.0.113.1:3478"],
    "relay.drainSeconds": 9,
    "relay.handoverSeconds": 9,
    "transceiver.replicas": 7,
    "transceiver.maxSessions": 7,
    "transceiver.defaultModel": "agent",
    "transceiver.modelAliases": {"voice-*": "agent"},
    "transceiver.requestRates.apiKeyPerMinute": 7,
    "transceiver.requestRates.clientSecretPerMinute": 7,
    "transceiver.requestRates.tokensPerMinute": 7,
    "transceiver.mcpServers": ["https://mcp.example.com/tools"],
    "transceiver.corsOrigins": ["https://app.example.com"],
    "transceiver.candidates": ["dns:relays.example.com:3478"],
    "transceiver.drainSeconds": 7,
    "transceiver.tlsSecret": "tls",
    "transceiver.plainHttpNetworks": ["192.0.2.0/24"],
    "transceiver.service.type": "LoadBalancer",
    "transceiver.service.port": 8000,
    "transceiver.service.annotations": LABEL,
    "transceiver.ingress.enabled": True,
    "transceiver.ingress.className": "nginx",
    "transceiver.ingress.host": "a.example.com",
    "transceiver.ingress.annotations": LABEL,
    "transceiver.ingress.tlsSecret": "tls",
    "transceiver.modelsVolume": VOLUME,
    "transceiver.autoscaling.kind": "hpa",
    "transceiver.autoscaling.minReplicas": 3,
    "transceiver.autoscaling.maxReplicas": 99,
    "transceiver.autoscaling.safeCallsPerPod": 123,
    "transceiver.autoscaling.warmCalls": 77,
    "transceiver.autoscaling.prometheusAddress": "http://prometheus.example.com",
    "worker.enabled": False,
    "worker.external": ["dns:gpu.example.com:7100"],
    "worker.replicas": 7,
    "worker.kind": "agent",
    "worker.image": "elsewhere/model:1",
    "worker.command": ["serve"],
    "worker.args": ["--fast"],
    "worker.env": [{"name": "A", "value": "b"}],
    "worker.maxSessions": 7,
    "worker.drainSeconds": 7,
    "worker.autoscaling.kind": "hpa",
    "worker.autoscaling.minReplicas": 3,
    "worker.autoscaling.maxReplicas": 99,
    "worker.autoscaling.safeCallsPerPod": 123,
    "worker.autoscaling.warmCalls": 77,
    "worker.autoscaling.safeUtilization": "0.5",
    "worker.autoscaling.emptiestFirst": False,
    "worker.autoscaling.prometheusAddress": "http://prometheus.example.com",
    "worker.modelsVolume": VOLUME,
    "worker.runtimeClassName": "nvidia",
    "keys.existingSecret": "ours",
    "keys.rotation.enabled": True,
    "keys.rotation.schedule": "0 4 * * 1",
    "keys.rotation.propagationSeconds": 60,
    "keys.deleteOnUninstall": False,
    "apiKeys.existingSecret": "ours",
    "networkPolicy.enabled": False,
    "networkPolicy.monitoringNamespaceLabels": LABEL,
    "monitoring.enabled": True,
    "monitoring.labels": LABEL,
    "monitoring.interval": "30s",
    "monitoring.runbooks": "https://runbooks.example.com",
    "monitoring.dashboards.enabled": True,
    "monitoring.dashboards.labels": {"dashboards": "here"},
    "monitoring.dashboards.annotations": LABEL,
    "tracing.endpoint": "http://collector.monitoring:4317",
    "tracing.sampleRatio": 0.1,
    "test.model": "echo",
    "test.target": "http://192.0.2.1:8080",
    "bench.enabled": True,
    "bench.target": "https://voice.example.com/v1/realtime/calls",
    "bench.args": ["--calls=7"],
    "bench.reportVolume": VOLUME,
    "bench.killsPods": True,
    "bench.deadlineSeconds": 77,
    "bench.resources": {"limits": {"memory": "3Gi"}},
    "bench.nodeSelector": LABEL,
    "bench.tolerations": [{"operator": "Exists"}],
    "serviceAccount.annotations": LABEL,
    "commonLabels": LABEL,
    "logLevel": "debug",
    **{f"{role}.{name}": value for role in ("relay", "transceiver", "worker") for name, value in POD.items()},
}
# What has to be so for a value to count.
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "relay.replicas": {"relay": {"kind": "Deployment"}},
    "relay.nodePort": {"relay": {"expose": "NodePort"}},
    "relay.handoverSeconds": {"relay": {"expose": "NodePort"}},
    "relay.loadBalancer": BALANCED,
    "transceiver.ingress": {"transceiver": {"ingress": {"enabled": True}}},
    "transceiver.autoscaling": {"transceiver": {"autoscaling": {"kind": "keda"}}},
    "worker.autoscaling": {"worker": {"autoscaling": {"kind": "keda"}}},
    "worker.command": {"worker": {"image": "elsewhere/model:1"}},
    "worker.args": {"worker": {"image": "elsewhere/model:1"}},
    "keys.rotation": {"keys": {"rotation": {"enabled": True}}},
    "bench": {"bench": {"enabled": True}},
    "tracing": {"tracing": {"endpoint": "http://collector:4317"}},
    "monitoring.dashboards": {"monitoring": {"dashboards": {"enabled": True}}},
    "monitoring": {"monitoring": {"enabled": True}},
}


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The path of each documented value; what is written on one line is one value."""
    for name, value in values.items():
        if isinstance(value, dict) and value and f"{prefix}{name}" not in CHANGES:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_table_names_every_documented_value() -> None:
    assert set(leaves(yaml.safe_load((CHART / "values.yaml").read_text()))) == set(CHANGES)


@pytest.mark.parametrize("path", CHANGES)
def test_a_value_changes_what_is_rendered(path: str) -> None:
    given: Mapping[str, Any] = next((values for prefix, values in GIVEN.items() if path.startswith(prefix)), {})
    if nested(path, CHANGES[path]) == given:
        given = {}
    assert render(merged(given, nested(path, CHANGES[path]))) != render(given)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"relays": {}}, "additional properties 'relays' not allowed"),
        ({"relay": {"expose": "hostport"}}, "must be one of 'hostPort', 'NodePort', 'LoadBalancer'"),
        ({"relay": {"advertise": ["voice.example.com:3478"]}}, "does not match pattern"),
        ({"relay": {"port": 70000}}, "70,000 or 70000|maximum: got 70,000, want 65,535"),
        ({"transceiver": {"replicas": 0}}, "minimum: got 0, want 1"),
        ({"transceiver": {"maxSessions": "many"}}, "got string, want integer"),
        ({"transceiver": {"requestRates": {"apiKeyPerMinute": 0}}}, "minimum: got 0, want 1"),
        ({"transceiver": {"mcpServers": ["mcp.example.com"]}}, "does not match pattern"),
        ({"transceiver": {"corsOrigins": ["https://app.example.com/page"]}}, "does not match pattern"),
        ({"transceiver": {"config": {"max_duration_s": 60}}}, "additional properties 'max_duration_s' not allowed"),
        ({"worker": {"kind": "gpt"}}, "must be one of 'echo', 'pcm-echo', 'agent'"),
        ({"worker": {"external": ["gpu:7100"]}}, "does not match pattern"),
        ({"discovery": "consul"}, "must be one of 'kubernetes', 'dns'"),
        ({"bench": {"target": "voice.example.com"}}, "does not match pattern"),
        ({"bench": {"args": ["calls"]}}, "does not match pattern"),
        ({"logLevel": "verbose"}, "must be one of"),
    ],
)
def test_a_wrong_value_is_refused(values: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        render(values)
