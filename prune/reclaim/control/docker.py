"""A registry in a container: stopped and started, or replaced by a read-only stand-in for a while.

The container itself is never changed. For read-only it is stopped and renamed, and a stand-in with the same
settings, volumes and networks takes its name; giving it back is removing the stand-in and starting it again.
"""

import os
from contextlib import suppress
from typing import Any, Literal

from docker import APIClient
from docker.errors import NotFound

from prune.model.errors import PruneError
from prune.reclaim.control.base import ControlLost, DidNotComeBack, Former, Note, Uncontrolled
from prune.reclaim.control.container import addresses, described, stand_in_config, user_networks
from prune.reclaim.control.probe import answers, registry_at, see, within
from prune.sources.credentials import Access
from prune.sources.docker_engine.client import connect, engine_url, spoken
from prune.sources.registry_v2.source import RegistryV2

Mode = Literal["stop", "readonly"]

#: On a stand-in: the id of the container that it stands in for.
STAND_IN = "registryui.stand-in-for"
#: What the name of the registry's container ends with while a stand-in has its name.
HELD = "-held"
#: On a container that runs something beside a registry: the id of the registry's container.
BESIDE = "registryui.beside"


class DockerControl:
    """The container called ``name``, or the one with a label: ``label=KEY`` or ``label=KEY=VALUE``.

    ``url`` is where the registry answers; without it the container's own addresses are tried. ``seconds`` is the
    time that it has for stopping and for coming back.
    """

    kind = "docker"
    restarts = True
    changes = True

    def __init__(
        self,
        name: str,
        mode: Mode = "stop",
        *,
        url: str = "",
        engine: str = "",
        seconds: float = 60.0,
        access: Access | None = None,
    ) -> None:
        self.name = name
        self.mode = mode
        self.engine = engine_url(engine)
        self.seconds = seconds
        self.access = access
        self.url = registry_at(url, access).name if url else ""
        self.target = name
        what = "is stopped" if mode == "stop" else "is replaced by a read-only stand-in"
        self.label = name.removeprefix("label=") if name.startswith("label=") else ""
        #: As sentences call the container.
        self.called = f"labelled {self.label}" if self.label else name
        self.words = f"the container {self.called} {what} and comes back afterwards"

    def api(self) -> APIClient:
        """Return a connection to the engine; the caller closes it."""
        return connect(self.engine, self.seconds + 30)

    # ---- taking -------------------------------------------------------------------------------------------

    def take(self, note: Note) -> Former:
        """See ``Control``. A container that is not running is left as it is: nobody can push to it."""
        with spoken(self.engine), self.api() as api:
            container = self.find(api)
            state = container["State"]
            former = {
                "container": str(container["Id"]),
                "name": str(container["Name"]).lstrip("/"),
                "running": "yes" if state.get("Running") else "no",
                "mode": self.mode,
            }
            if state.get("Running") and self._registry(api, former["container"], timeout=5.0) is not None:
                former["answered"] = "yes"
            note(former)
            if not state.get("Running"):
                return former
            api.stop(former["container"], timeout=round(self.seconds))
            if self._runs(api, former["container"]):
                raise Uncontrolled(f"The container {self.called} does not stop.")
            if self.mode == "readonly":
                self._stand_in(api, container, former)
        return former

    def find(self, api: APIClient) -> dict[str, Any]:
        """Return what the engine says of the registry's container; raise ``Uncontrolled`` unless it is one that can
        be stopped and started again."""
        container = self._find(api)
        state = container["State"]
        if state.get("Paused") or state.get("Restarting"):
            how = "paused" if state.get("Paused") else "restarting over and over"
            raise Uncontrolled(f"The container {self.called} is {how}; put that right first.")
        if container["HostConfig"].get("AutoRemove"):
            raise Uncontrolled(f"The container {self.called} runs with --rm: once stopped it would be gone.")
        return container

    def _find(self, api: APIClient) -> dict[str, Any]:
        if self.label:
            listed = api.containers(all=True, filters={"label": self.label})
            ids = [str(one["Id"]) for one in listed if STAND_IN not in (one.get("Labels") or {})]
            if len(ids) != 1:
                number = f"{len(ids)} containers have" if ids else "No container has"
                raise Uncontrolled(f"{number} the label {self.label}; exactly one must have it.")
            found: dict[str, Any] = api.inspect_container(ids[0])
            return found
        try:
            found = api.inspect_container(self.name)
        except NotFound:
            raise Uncontrolled(f"There is no container {self.name}.") from None
        if STAND_IN in (found["Config"].get("Labels") or {}):
            raise Uncontrolled(
                f"The container {self.called} is the stand-in of a cleanup that was interrupted, and the note of it "
                f"is lost: remove it, rename {self.name}{HELD} to {self.name} and start that first."
            )
        return found

    def test(self, root: str) -> str:
        """Look for the container without touching it; return in a sentence whether it has the storage at ``root``.
        Raises ``Uncontrolled`` when it could not be held."""
        with spoken(self.engine), self.api() as api:
            container = self.find(api)
        image = str(container["Config"].get("Image"))
        how = "running" if container["State"].get("Running") else "not running"
        found = f"The container {str(container['Name']).lstrip('/')} was found ({image}, {how})"
        here = os.path.realpath(root)
        for mount in container.get("Mounts") or ():
            source = os.path.realpath(str(mount.get("Source") or "/nowhere"))
            if os.path.commonpath((source, here)) in (source, here):
                return f"{found}, and it has this storage."
        return f"{found}; none of its volumes is {root}: make sure that it is the registry of this storage."

    def _runs(self, api: APIClient, id_: str) -> bool:
        try:
            state = api.inspect_container(id_)["State"]
        except NotFound:
            return False
        return bool(state.get("Running") or state.get("Restarting"))

    def _stand_in(self, api: APIClient, container: dict[str, Any], former: Former) -> None:
        api.rename(former["container"], former["name"] + HELD)
        made = api.create_container_from_config(
            stand_in_config(container, {STAND_IN: former["container"]}), former["name"]
        )
        for network, endpoint in user_networks(container)[1:]:
            api.connect_container_to_network(made["Id"], network, **endpoint)
        api.start(made["Id"])
        seen = ""

        def read_only() -> bool:
            nonlocal seen
            found = self._registry(api, made["Id"])
            if found is None:
                return False
            seen = see(found)
            return True

        if not within(self.seconds, lambda: read_only() or not self._runs(api, made["Id"])):
            raise Uncontrolled(
                f"The container {self.called} was started read-only, but where it answers is not to be found: "
                "give its address with url=http://HOST:PORT."
            )
        if seen != "read-only":
            why = "takes pushes all the same" if seen else f"ended at once ({described(api, made['Id'])})"
            raise Uncontrolled(f"The container {self.called} was started read-only and {why}.")

    def _registry(self, api: APIClient, id_: str, timeout: float = 10.0) -> RegistryV2 | None:
        """Return the registry of a container when it answers."""
        for url in [self.url] if self.url else addresses(api.inspect_container(id_)):
            registry = registry_at(url, self.access, timeout)
            if answers(registry):
                return registry
        return None

    # ---- while it is held ---------------------------------------------------------------------------------

    def check(self, former: Former) -> None:
        """See ``Control``."""
        with spoken(self.engine), self.api() as api:
            if self._runs(api, former["container"]):
                raise ControlLost(f"Somebody started the container {self.called}.")
            for one in self._stand_ins(api, former):
                registry = self._registry(api, one)
                if registry is not None and see(registry) != "read-only":
                    raise ControlLost(f"The container {self.called} takes pushes.")

    def _stand_ins(self, api: APIClient, former: Former, label: str = STAND_IN) -> list[str]:
        listed = api.containers(all=True, filters={"label": f"{label}={former['container']}"})
        return [str(one["Id"]) for one in listed]

    # ---- giving back --------------------------------------------------------------------------------------

    def give_back(self, former: Former) -> None:
        """See ``Control``."""
        if "container" not in former:
            return
        try:
            with spoken(self.engine), self.api() as api:
                self._give_back(api, former)
        except DidNotComeBack:
            raise
        except PruneError as error:
            raise DidNotComeBack(f"The container {self.called} did not come back: {error}") from None

    def _give_back(self, api: APIClient, former: Former) -> None:
        id_ = former["container"]
        for label in (BESIDE, STAND_IN):
            self.clear(api, former, label)
        try:
            container = api.inspect_container(id_)
        except NotFound:
            raise DidNotComeBack(
                f"The container {self.called} ({id_[:12]}) is gone, somebody removed it while it was held; start the "
                "registry by hand."
            ) from None
        name = str(container["Name"]).lstrip("/")
        if not self._is_it(container, name.removesuffix(HELD)):
            # What was noted lies in the store, where others may write: no other container is touched for it.
            raise DidNotComeBack(
                f"The container {id_[:12]} that was noted is not the container {self.called}; start the registry by "
                "hand."
            )
        if former["mode"] == "readonly" and name.endswith(HELD):
            api.rename(id_, name.removesuffix(HELD))
        if former["running"] != "yes":
            return
        if not container["State"].get("Running"):
            api.start(id_)
        if not self._is_back(api, id_, answered="answered" in former):
            raise DidNotComeBack(
                f"The container {self.called} was started and does not serve ({described(api, id_)}); look after it."
            )

    def clear(self, api: APIClient, former: Former, label: str) -> None:
        """Remove the containers with ``label`` that were made for the registry's."""
        for other in self._stand_ins(api, former, label):
            # Its volumes are the registry's.
            with suppress(NotFound):
                api.remove_container(other, force=True, v=False)

    def _is_it(self, container: dict[str, Any], name: str) -> bool:
        if not self.label:
            return self.name.lstrip("/") == name or str(container["Id"]).startswith(self.name)
        key, _, value = self.label.partition("=")
        labels = container["Config"].get("Labels") or {}
        return key in labels and value in ("", labels[key])

    def _is_back(self, api: APIClient, id_: str, *, answered: bool) -> bool:
        """Tell whether it serves; where it could not be asked before either, whether it runs after a while."""
        must = answered or bool(self.url)

        def settled() -> bool:
            state = api.inspect_container(id_)["State"]
            if not state.get("Running") or (state.get("Health") or {}).get("Status") == "unhealthy":
                return True
            return self._registry(api, id_) is not None

        found = within(self.seconds if must else min(self.seconds, 5.0), settled)
        state = api.inspect_container(id_)["State"]
        up = bool(state.get("Running")) and (state.get("Health") or {}).get("Status") != "unhealthy"
        return up and (found or not must)
