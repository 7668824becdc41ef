"""What a Kubernetes cluster uses: its pods, and what its workloads would start again.

A Deployment that is scaled to nothing, a CronJob between two runs, and the ReplicaSets and ControllerRevisions that a
rollback goes to have no pods, and need their images all the same.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import msgspec
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from prune.model.errors import SourceError, UsageError
from prune.sources.in_use.base import InUseReport, Uses

#: Objects of one answer.
PAGE = 500
#: More pages than the largest cluster has: a server that goes on for ever is broken.
MOST_PAGES = 10_000

_APIS = {
    "pod": client.CoreV1Api,
    "deployment": client.AppsV1Api,
    "stateful_set": client.AppsV1Api,
    "daemon_set": client.AppsV1Api,
    "replica_set": client.AppsV1Api,
    "controller_revision": client.AppsV1Api,
    "replication_controller": client.CoreV1Api,
    "job": client.BatchV1Api,
    "cron_job": client.BatchV1Api,
}


class _Image(msgspec.Struct, rename={"image_id": "imageID"}):
    image: str = ""
    image_id: str = ""


class _Mounted(msgspec.Struct):
    reference: str = ""


class _Volume(msgspec.Struct):
    """A volume; with ``image`` one that is an image."""

    image: _Mounted | None = None


class _Spec(msgspec.Struct, rename="camel"):
    """The spec of a pod, or of what makes pods from a template."""

    containers: list[_Image] | None = None
    init_containers: list[_Image] | None = None
    ephemeral_containers: list[_Image] | None = None
    volumes: list[_Volume] | None = None
    template: "_Object | None" = None
    job_template: "_Object | None" = None


class _Status(msgspec.Struct, rename="camel"):
    container_statuses: list[_Image] | None = None
    init_container_statuses: list[_Image] | None = None
    ephemeral_container_statuses: list[_Image] | None = None


class _Metadata(msgspec.Struct, rename={"more": "continue"}):
    name: str = ""
    namespace: str = ""
    more: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata | None = None
    spec: _Spec | None = None
    status: _Status | None = None
    data: "_Object | None" = None
    """Of a revision: what the workload was then, as far as it tells."""


class _List(msgspec.Struct):
    items: list[_Object] | None
    metadata: _Metadata


_decode = msgspec.json.Decoder(_List).decode


class KubernetesUses:
    """The cluster at ``address`` (``https://host:port``), asked with the token of a service account, or the one in
    ``token_file``, which is read anew each time. Without an address: the cluster that this runs in, else the one of
    the kubeconfig. ``namespaces`` limits what is asked, ``timeout`` is seconds per request.

    Raises ``UsageError`` for what is no address.
    """

    def __init__(
        self,
        address: str = "",
        *,
        token: str = "",
        token_file: str = "",
        ca_file: str = "",
        namespaces: Sequence[str] = (),
        timeout: float = 30.0,
    ) -> None:
        parts = urlsplit(address)
        plain = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if address and not (parts.hostname and (parts.scheme == "https" or plain) and "@" not in parts.netloc):
            raise UsageError(
                f"{address!r} is no address of a cluster; write kubernetes: or kubernetes:https://host:port."
            )
        self.address = address.rstrip("/")
        self.name = f"kubernetes:{self.address}"
        self.token = token
        self.token_file = token_file
        self.ca_file = ca_file
        self.namespaces = tuple(namespaces)
        self.timeout = timeout

    def read(self, now: int) -> InUseReport:
        """See ``InUseSource``. One kind of object that may not be listed is enough for an incomplete report."""
        uses = Uses()
        problems: list[str] = []
        try:
            settings = self._settings()
        except (SourceError, OSError, config.ConfigException) as error:
            return uses.report(self.name, now, f"{self.name} cannot be reached: {' '.join(str(error).split())}")
        with client.ApiClient(settings) as api:
            for kind in _APIS:
                try:
                    self._collect(api, kind, uses)
                except _Silent as error:
                    problems.append(str(error))
                    break  # nor would it answer the next question
                except SourceError as error:
                    problems.append(str(error))
        return uses.report(self.name, now, problems[0] if problems else "")

    def _settings(self) -> client.Configuration:
        settings = client.Configuration()
        if self.address:
            token = self.token
            if self.token_file:
                with open(self.token_file, encoding="utf-8") as file:
                    token = file.read().strip()
            settings.host = self.address
            if self.ca_file:
                if not os.path.exists(self.ca_file):
                    raise SourceError(f"there is no file {self.ca_file}.")
                settings.ssl_ca_cert = self.ca_file
            if token:
                settings.api_key = {"BearerToken": f"Bearer {token}"}
        elif os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(client_configuration=settings)
        # A token must not follow to another host, and an answer elsewhere would not be this cluster's.
        settings.retries = Retry(1, redirect=False)
        return settings

    def _collect(self, api: client.ApiClient, kind: str, uses: Uses) -> None:
        for namespace in self.namespaces or [""]:
            for found in self._list(api, kind, namespace):
                _note(uses, kind.replace("_", " "), found)

    def _list(self, api: client.ApiClient, kind: str, namespace: str) -> list[_Object]:
        """Return all objects of a kind. A list that grew too old in between is begun again, once."""
        try:
            return self._pages(api, kind, namespace)
        except _TooOld:
            pass
        try:
            return self._pages(api, kind, namespace)
        except _TooOld:
            raise SourceError(f"{self.name} could not list each {kind}: its lists grow old too soon.") from None

    def _pages(self, api: client.ApiClient, kind: str, namespace: str) -> list[_Object]:
        methods = _APIS[kind](api)
        found: list[_Object] = []
        more = ""
        for _ in range(MOST_PAGES):
            options: dict[str, object] = {
                "limit": PAGE,
                "_request_timeout": self.timeout,
                "_preload_content": False,
                **({"_continue": more} if more else {}),
            }
            with self._spoken(kind):
                if namespace:
                    answer = getattr(methods, f"list_namespaced_{kind}")(namespace, **options)
                else:
                    answer = getattr(methods, f"list_{kind}_for_all_namespaces")(**options)
                page = _decode(answer.data)
            found += page.items or []
            more = page.metadata.more
            if not more:
                return found
        raise SourceError(f"{self.name} goes on listing each {kind} for ever.")

    @contextmanager
    def _spoken(self, kind: str) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            if error.status == 410:
                raise _TooOld from None
            if error.status in (401, 403):
                what = (
                    "does not accept the token"
                    if error.status == 401
                    else f"does not let this account list each {kind}"
                )
                raise SourceError(f"{self.name} {what}.") from None
            raise SourceError(f"{self.name} refused to list each {kind} ({error.status} {error.reason}).") from None
        except (HTTPError, OSError) as error:
            raise _Silent(f"{self.name} does not answer ({type(error).__name__}).") from None
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise SourceError(f"{self.name} gave no list of each {kind} ({error}).") from None


class _Silent(SourceError):
    """Nobody is there to ask."""


class _TooOld(Exception):
    """The rest of a list is not there any more."""


def _note(uses: Uses, kind: str, found: _Object) -> None:
    metadata = found.metadata or _Metadata()
    user = f"{kind} {metadata.namespace}/{metadata.name}"
    spec, status = (found.data or found).spec, found.status
    while spec is not None:
        for group in (spec.containers, spec.init_containers, spec.ephemeral_containers):
            for container in group or ():
                uses.add(user, container.image)
        for volume in spec.volumes or ():
            if volume.image is not None:
                uses.add(user, volume.image.reference)
        inner = spec.template or spec.job_template
        spec = inner.spec if inner is not None else None
    if status is not None:
        for group in (
            status.container_statuses,
            status.init_container_statuses,
            status.ephemeral_container_statuses,
        ):
            for container in group or ():
                uses.add(user, container.image, container.image_id)
