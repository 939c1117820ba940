"""A Kubernetes Secret that holds key files, through the official client."""

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from offhook.keys.errors import SecretUnreachable

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
REQUEST_WITHIN_S: Final = 10


class KeySecret:
    """One Secret of this pod's namespace.

    Args:
        name: the Secret's.

    Raises:
        SecretUnreachable: this is no pod, and there is no kubeconfig.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config()
            else:
                config.load_kube_config()
        except config.ConfigException as error:
            raise SecretUnreachable(f"neither a service account nor a kubeconfig: {error}") from None
        self._api = client.CoreV1Api()
        self._namespace = _own_namespace()
        self._version: str | None = None

    def read(self, file: str) -> str | None:
        """A file's content, or None if there is no such Secret or no such file in it."""
        try:
            secret = self._ask(self._api.read_namespaced_secret, self.name, self._namespace)
        except _NotThere:
            return None
        self._version = secret.metadata.resource_version
        held = (secret.data or {}).get(file)
        return None if held is None else base64.b64decode(held).decode("utf-8")

    def create(self, files: Mapping[str, str], labels: dict[str, str]) -> bool:
        """Makes the Secret. False if somebody else has made it meanwhile.

        Raises:
            SecretUnreachable: it may not, or cannot.
        """
        body = client.V1Secret(
            metadata=client.V1ObjectMeta(name=self.name, labels=labels), type="Opaque", data=_data(files)
        )
        try:
            self._ask(self._api.create_namespaced_secret, self._namespace, body)
        except _Conflict:
            return False
        return True

    def replace(self, file: str, content: str) -> None:
        """Writes a file that was read before, changed.

        Raises:
            SecretUnreachable: it may not, or somebody else has written since.
        """
        body = {"metadata": {"resourceVersion": self._version}, "data": _data({file: content})}
        try:
            written = self._ask(self._api.patch_namespaced_secret, self.name, self._namespace, body)
        except _Conflict:
            raise SecretUnreachable(f"Secret {self.name} was written by somebody else meanwhile") from None
        self._version = written.metadata.resource_version

    def delete(self) -> bool:
        """Removes the Secret. False if there was none."""
        try:
            self._ask(self._api.delete_namespaced_secret, self.name, self._namespace)
        except _NotThere:
            return False
        return True

    def _ask(self, method: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - the client is untyped
        try:
            return method(*arguments, _request_timeout=REQUEST_WITHIN_S)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                raise _NotThere from None
            if error.status == _CONFLICT:
                raise _Conflict from None
            raise SecretUnreachable(f"Secret {self.name}: the API server says {error.status} {error.reason}") from None
        except (HTTPError, OSError) as error:
            raise SecretUnreachable(f"the API server cannot be reached: {type(error).__name__}") from None


class _NotThere(Exception):
    """404."""


class _Conflict(Exception):
    """409."""


def _data(files: Mapping[str, str]) -> dict[str, bytes | str]:
    return {file: base64.b64encode(content.encode()).decode("ascii") for file, content in files.items()}


def _own_namespace() -> str:
    try:
        return _NAMESPACE_FILE.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return os.environ.get("POD_NAMESPACE", "default")
