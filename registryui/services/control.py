"""Control of pushes and pulls: what settings mean, who is held now, and putting right what a crash left."""

import logging
from contextlib import suppress

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.utils import timezone

from prune.model.errors import PruneError, Refused, SourceError, UsageError
from prune.reclaim.apply import storage_of
from prune.reclaim.collection.docker import DockerCollector
from prune.reclaim.control.base import Control, DidNotComeBack, Former, Note, Stated
from prune.reclaim.control.cache import Clearing, RedisCache
from prune.reclaim.control.command import Command, Commands
from prune.reclaim.control.docker import DockerControl
from prune.reclaim.control.hold import forget, put_right
from prune.reclaim.control.probe import Probe
from prune.reclaim.journal import LOCK
from registryui.models import Registry, Run
from registryui.secrets import decrypt
from registryui.services import audit, notices
from registryui.services.access import access_of, open_registry
from registryui.services.errors import NotNow

log = logging.getLogger(__name__)


def control_of(registry: Registry, statement: str = "") -> Control:
    """Return the control that the settings of a registry describe; raise ``PruneError`` with what is wrong."""
    match registry.control:
        case Registry.Control.DOCKER:
            if not registry.control_container.strip():
                raise UsageError("Name the container of the registry, or a label of it: label=KEY=VALUE.")
            return DockerControl(
                registry.control_container.strip(),
                "readonly" if registry.control_mode == Registry.Mode.READONLY else "stop",
                url=registry.control_url.strip(),
                engine=registry.control_engine.strip().removeprefix("docker:"),
                access=access_of(registry),
            )
        case Registry.Control.PROBE:
            if not registry.control_url.strip():
                raise UsageError("Give the address at which the registry answers, http(s)://HOST[:PORT].")
            return Probe(registry.control_url.strip(), access_of(registry))
        case Registry.Control.COMMAND:
            if not settings.ALLOW_COMMANDS:
                raise Refused("Commands are not allowed here: REGISTRYUI_ALLOW_COMMANDS is not set to yes.")
            commands = Commands.parse(registry.control_commands, "What is entered")
            return Command(commands, f"registry {registry.pk}")
    return Stated(statement)


def cache_of(registry: Registry) -> RedisCache | None:
    """Return the cache of a registry outside of its process; raise ``PruneError`` with what is wrong."""
    if not registry.cache_url.strip():
        return None
    try:
        password = decrypt(registry.cache_password)
    except ValueError as error:
        raise SourceError(str(error)) from None
    return RedisCache(registry.cache_url.strip(), password)


def watched(registry: Registry, run: Run | None, statement: str = "") -> "Watched":
    """Return the control of a registry for a run: one that the pages show, and that clears the cache."""
    chosen, cache = control_of(registry, statement), cache_of(registry)
    return Watched(Clearing(chosen, cache) if cache is not None else chosen, registry, run)


def collector_of(registry: Registry) -> DockerCollector | None:
    """Return the garbage collection of a registry where it removes the blobs, ``None`` where we do."""
    chosen = control_of(registry) if registry.collects else None
    return DockerCollector(chosen) if isinstance(chosen, DockerControl) else None


def words(registry: Registry) -> str:
    """Return in words what is done to a registry while things move, empty when its settings are wrong."""
    with suppress(PruneError):
        control, collector = control_of(registry), collector_of(registry)
        if isinstance(control, Probe):
            return f"{control.target} must be seen to be read-only"
        also = f"; {collector.words}" if collector is not None else ""
        return control.words + also
    return ""


def test(registry: Registry) -> str:
    """Look, without changing anything, whether a registry could be brought under control; return a sentence."""
    control = control_of(registry)
    if isinstance(control, DockerControl):
        return control.test(open_registry(registry).name.removeprefix("storage:"))
    if isinstance(control, Probe):
        control.take(lambda former: None)
        return f"{control.words}."
    if isinstance(control, Command):
        return f"Its commands are understood: {control.words}. They were not run."
    return ""


def test_cache(registry: Registry) -> str:
    """Ask the cache of a registry whether it is there; return a sentence, empty where there is none."""
    cache = cache_of(registry)
    return cache.test() if cache is not None else ""


class Watched:
    """A control that the dashboard can see: whom it holds, for which run, and whether it came back."""

    def __init__(self, control: Control, registry: Registry, run: Run | None) -> None:
        self.control = control
        self.registry = registry
        self.run = run
        self.kind, self.words, self.target = control.kind, control.words, control.target
        self.restarts, self.changes = control.restarts, control.changes

    def take(self, note: Note) -> Former:
        """See ``Control``. What is on the pages is written before what is in the store: there is never a registry
        held of which the pages do not know."""

        def noted(former: Former) -> None:
            if self.changes:
                self._set(held_since=timezone.now(), held_run=self.run, held_words=self.words, held_problem="")
                self._record(audit.Action.REGISTRY_HELD, self.words)
            note(former)

        return self.control.take(noted)

    def check(self, former: Former) -> None:
        """See ``Control``."""
        self.control.check(former)

    def give_back(self, former: Former) -> None:
        """See ``Control``. No trouble with the database comes in the way."""
        try:
            self.control.give_back(former)
        except PruneError as error:
            with _logged():
                mark_lost(self.registry, self.run, self.words, str(error))
            raise
        if self.changes:
            with _logged():
                mark_back(self.registry, "")

    @property
    def cache_problem(self) -> str:
        """Return why the cache of the registry could not be cleared, empty when it was or there is none."""
        return self.control.problem if isinstance(self.control, Clearing) else ""

    def _set(self, **fields: object) -> None:
        Registry.objects.filter(pk=self.registry.pk).update(**fields)

    def _record(self, action: audit.Action, reason: str) -> None:
        run = self.run.pk if self.run is not None else None
        audit.record(None, action, self.registry, registry=self.registry.slug, reason=reason, run=run)


class _logged(suppress):  # reads as a verb: `with _logged(): …`
    """What goes wrong with the database is logged, and no more."""

    def __init__(self) -> None:
        super().__init__(DatabaseError)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        passed = super().__exit__(kind, error, trace)  # type: ignore[arg-type]  # passed through as it came
        if passed and error is not None:
            log.error("Whether a registry is held could not be written down: %s", error)
        return passed


def mark_lost(registry: Registry, run: Run | None, how: str, problem: str) -> None:
    """Note that a registry did not come back, and why; on the record once for each reason."""
    with transaction.atomic():
        row = Registry.objects.select_for_update().get(pk=registry.pk)
        if row.held_problem != problem:
            since = row.held_since or timezone.now()
            Registry.objects.filter(pk=row.pk).update(held_since=since, held_words=how, held_problem=problem)
            pk = run.pk if run is not None else None
            audit.record(None, audit.Action.REGISTRY_LOST, row, registry=row.slug, reason=problem, run=pk)
            notices.lost(row, problem)


def mark_back(registry: Registry, reason: str, actor: User | None = None) -> None:
    """Note that a registry is held no longer."""
    with transaction.atomic():
        row = Registry.objects.select_for_update().get(pk=registry.pk)
        if row.held_since is None:
            return
        seconds = (timezone.now() - row.held_since).total_seconds()
        Registry.objects.filter(pk=row.pk).update(held_since=None, held_run=None, held_words="", held_problem="")
        action = audit.Action.REGISTRY_LOOKED_AFTER if actor is not None else audit.Action.REGISTRY_BACK
        audit.record(actor, action, row, registry=row.slug, reason=reason, run=row.held_run_id, seconds=seconds)
        if row.held_problem:
            notices.back(row)


def put_all_right() -> int:
    """Give back every registry that a worker left held when it died, or that did not come back; return how many
    came back. One that a living worker holds is left alone: the lock of its store tells."""
    found = 0
    for registry in Registry.objects.exclude(held_since=None).select_related("held_run"):
        try:
            chosen = watched(registry, registry.held_run)
        except PruneError as error:
            # Its settings were fine when it was taken: what has changed is not theirs to say, and somebody must know.
            mark_lost(registry, registry.held_run, registry.held_words, str(error))
            continue
        try:
            store = storage_of(open_registry(registry)).store
            with store.lock(LOCK):
                put_right(chosen, store)
                mark_back(registry, "after an interruption")
            found += 1
        except DidNotComeBack as error:
            log.error("%s: %s", registry.slug, error)
        except (PruneError, OSError) as error:
            # A run is under way, or the store cannot be reached at the moment: the next look will tell.
            log.info("%s is still held: %s", registry.slug, error)
    return found


def looked_after(actor: User, registry: Registry) -> None:
    """Take a person's word that a registry which did not come back runs as it should."""
    if not registry.held_problem:
        raise NotNow("This registry is not waiting for anybody.")
    try:
        store = storage_of(open_registry(registry)).store
        with store.lock(LOCK):
            forget(store)
    except (PruneError, OSError) as error:
        raise NotNow(str(error)) from None
    mark_back(registry, "a person says that it runs as it should", actor)
