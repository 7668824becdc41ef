"""What the containers of a Docker Engine use, running or not; and the services of a swarm that it manages.

A service that is scaled to nothing, and what a service would be rolled back to, has no container and needs its image.
"""

from typing import Any

from docker import APIClient
from docker.errors import ImageNotFound, NotFound

from prune.model.digest import short
from prune.model.errors import PruneError
from prune.sources.docker_engine.client import connect, engine_url, spoken
from prune.sources.in_use.base import InUseReport, Uses


class DockerEngineUses:
    """The engine at ``address``, written as after ``docker:``; ``timeout`` is seconds per request."""

    def __init__(self, address: str = "", timeout: float = 30.0) -> None:
        self.url = engine_url(address)
        self.name = f"docker:{self.url}"
        self.timeout = timeout

    def read(self, now: int) -> InUseReport:
        """See ``InUseSource``."""
        uses = Uses()
        problem = ""
        try:
            with connect(self.url, self.timeout) as api, spoken(self.url):
                problem = self._collect(api, uses)
        except PruneError as error:
            problem = str(error)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"The Docker Engine at {self.url} answered what no engine answers ({type(error).__name__})."
        return uses.report(self.name, now, problem)

    def _collect(self, api: APIClient, uses: Uses) -> str:
        """Note what every container uses; return what could not be found out."""
        problems = []
        known: dict[str, list[str] | None] = {}
        for row in api.containers(all=True):
            user = f"container {str((row.get('Names') or [row['Id'][:12]])[0]).lstrip('/')}"
            image = str(row["ImageID"])
            uses.add(user, image, *_asked_for(api, row))
            if image not in known:
                known[image] = _manifests(api, image)
            manifests = known[image]
            if manifests is None:
                problems.append(
                    f"{user} uses the image {short(image)}, which was removed from the engine by force: "
                    "which manifest it was cannot be told."
                )
            else:
                uses.add(user, *manifests)
        if (api.info().get("Swarm") or {}).get("ControlAvailable"):
            for service in api.services():
                for spec in (service["Spec"], service.get("PreviousSpec")):
                    _note_service(uses, spec)
        return problems[0] if problems else ""


def _note_service(uses: Uses, spec: dict[str, Any] | None) -> None:
    container = spec["TaskTemplate"].get("ContainerSpec") if spec else None
    if spec and container:  # a service of a plugin has none
        uses.add(f"service {spec['Name']}", str(container["Image"]))


def _asked_for(api: APIClient, row: dict[str, Any]) -> list[str]:
    """Return the name that a container was made with. The list says the id where the name means another image now."""
    listed = str(row["Image"])
    if not listed.startswith("sha256:"):
        return [listed]
    try:
        return [str(api.inspect_container(row["Id"])["Config"]["Image"])]
    except NotFound:
        return []  # removed a moment ago: what it used counts all the same


def _manifests(api: APIClient, image: str) -> list[str] | None:
    """Return ``name@digest`` for every manifest that an image was pulled from or pushed as, ``None`` when the image
    is there no longer."""
    try:
        return [str(name) for name in api.inspect_image(image).get("RepoDigests") or ()]
    except ImageNotFound:
        return None
