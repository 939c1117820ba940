"""What a pod costs to delete, by the sessions that it has. No I/O."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
"""https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost"""


class Pod(NamedTuple):
    """A worker's pod, as the API server has it; `cost` is None where it has none."""

    name: str
    address: str
    cost: str | None


def cost(sessions: int) -> int:
    """0 for none, else the next power of two: so that it changes when the load does, and not with every call.

    Kubernetes asks that the annotation be not written often: each change is a write of the pod.
    """
    return 0 if sessions <= 0 else 1 << (sessions - 1).bit_length()


def changes(pods: list[Pod], sessions: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Name and new cost of each pod whose cost is another now. A pod that did not say what it has keeps its own."""
    for pod in pods:
        if pod.name not in sessions:
            continue
        wanted = str(cost(sessions[pod.name]))
        # Without an annotation a pod costs 0.
        if wanted != (pod.cost or "0"):
            yield pod.name, wanted
