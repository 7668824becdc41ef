"""Reaching a Docker Engine, and its errors in words."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from docker import APIClient
from docker.errors import APIError, DockerException, TLSParameterError
from docker.tls import TLSConfig
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, Timeout

from prune.model.errors import SourceError, UsageError

DEFAULT_URL = "unix:///var/run/docker.sock"


def engine_url(text: str) -> str:
    """Return the address in ``text`` (what follows ``docker:``), ``DOCKER_HOST`` when it is empty, else the local
    engine's socket. Raises ``UsageError`` for anything but ``unix:///path`` and ``tcp://host[:port]``."""
    url = text or os.environ.get("DOCKER_HOST", "") or DEFAULT_URL
    for scheme in ("unix:///", "tcp://"):
        if url.startswith(scheme) and len(url) > len(scheme):
            return url
    raise UsageError(
        f"{url!r} is no address of a Docker Engine; write docker:, docker:unix:///path or docker:tcp://host."
    )


def connect(url: str, timeout: float) -> APIClient:
    """Return a client that speaks the engine's own version of the API; ``timeout`` is seconds per request.

    ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` hold for ``tcp://`` as they do for the `docker` command.
    Raises ``SourceError`` when no engine answers.
    """
    with spoken(url):
        return APIClient(base_url=url, version="auto", timeout=max(1, round(timeout)), tls=_tls(url))


def _tls(url: str) -> TLSConfig | bool:
    if not url.startswith("tcp://") or not os.environ.get("DOCKER_TLS_VERIFY"):
        return False
    folder = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    try:
        return TLSConfig(
            client_cert=(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")),
            ca_cert=os.path.join(folder, "ca.pem"),
            verify=True,
        )
    except TLSParameterError:
        raise SourceError(
            f"{folder} does not hold ca.pem, cert.pem and key.pem, which DOCKER_TLS_VERIFY asks for."
        ) from None


@contextmanager
def spoken(url: str) -> Iterator[None]:
    """Turn whatever goes wrong between us and the engine into one sentence."""
    try:
        yield
    except APIError as error:
        raise SourceError(f"The Docker Engine at {url} refused: {why(error)}.") from None
    except Timeout:
        raise SourceError(f"The Docker Engine at {url} did not answer in time.") from None
    except (DockerException, NoConnection) as error:
        raise SourceError(f"{url}: {_no_engine(url, error)}") from None
    except RequestException as error:
        raise SourceError(f"The Docker Engine at {url} broke off its answer ({type(error).__name__}).") from None


def why(error: APIError) -> str:
    """Return the engine's own words, without a full stop."""
    return str(error.explanation or error.response.reason if error.response is not None else error).strip(" .\n")


def _no_engine(url: str, error: Exception) -> str:
    path = url.removeprefix("unix://")
    if path != url and not os.path.exists(path):
        return "there is no Docker Engine: that socket does not exist."
    if path != url and not os.access(path, os.R_OK | os.W_OK):
        return "this user may not speak to the Docker Engine; run as one who may, for instance in the group docker."
    return f"no Docker Engine answers ({type(error).__name__})."
