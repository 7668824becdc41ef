"""From a text to a place that runs images."""

import os

from prune.model.errors import UsageError
from prune.sources.in_use.base import InUseSource


def open_in_use(text: str, *, timeout: float = 30.0, token: str | None = None, ca_file: str = "") -> InUseSource:
    """Return what ``text`` names: ``docker:`` and ``docker:ADDRESS`` as a SOURCE, ``kubernetes:`` for the cluster
    that this runs in or the kubeconfig's, ``kubernetes:https://HOST[:PORT]`` with the token in the file that
    ``PRUNE_KUBERNETES_TOKEN_FILE`` names and the CA in ``PRUNE_KUBERNETES_CA_FILE``; with a ``token``, even an empty
    one, that and ``ca_file`` count, and the environment does not. ``timeout`` is seconds per request.

    Raises ``UsageError`` for anything else.
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "docker":
        from prune.sources.in_use.docker_engine import DockerEngineUses

        return DockerEngineUses(rest, timeout)
    if colon and scheme == "kubernetes":
        from prune.sources.in_use.kubernetes import KubernetesUses

        if token is not None:
            return KubernetesUses(rest, token=token, ca_file=ca_file, timeout=timeout)
        return KubernetesUses(
            rest,
            token_file=os.environ.get("PRUNE_KUBERNETES_TOKEN_FILE", ""),
            ca_file=os.environ.get("PRUNE_KUBERNETES_CA_FILE", ""),
            timeout=timeout,
        )
    raise UsageError(
        f"{text!r} is nothing that runs images; write docker:, docker:ADDRESS, kubernetes: or kubernetes:https://HOST."
    )
