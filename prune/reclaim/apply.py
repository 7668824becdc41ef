"""Carrying a plan out."""

from prune.model.errors import Refused
from prune.model.plan import Plan
from prune.plan.verification import Depth
from prune.reclaim.collection.base import Collector
from prune.reclaim.control.base import Control, Stated
from prune.reclaim.control.hold import DEFAULT_WINDOW, put_right
from prune.reclaim.finished import finished
from prune.reclaim.journal import LOCK, run_of
from prune.reclaim.outcome import Outcome
from prune.reclaim.run import Run
from prune.reclaim.steps import StorageSource, in_storage
from prune.sources.base import Report, Source, silent


def apply(
    source: Source,
    plan: Plan,
    *,
    stopped: str | None = None,
    control: Control | None = None,
    window: float = DEFAULT_WINDOW,
    collector: Collector | None = None,
    trash: bool = True,
    depth: Depth = "sizes",
    report: Report = silent,
) -> Outcome:
    """Carry ``plan`` out, or resume it, or say that it is done.

    ``control`` keeps pushes out while things move, for at most ``window`` seconds; without one ``stopped`` is a
    person's word why nobody can push or pull now. Either is recorded. Afterwards, with the registry given back,
    everything that stays is verified to ``depth``; with ``trash=False`` the bytes are then given back too. A registry
    that an earlier run left held is given back first. With a ``collector`` the registry's own garbage collection
    removes the blobs, for good, unless it would remove anything besides: then nothing goes.

    Raises ``Refused`` before anything is touched: another store's plan, no control, another cleanup running;
    ``Stale`` when nothing of the plan still holds. A full or broken disk, a window that is over or control that is
    lost is an outcome with state ``failed``: nothing is lost, and applying again resumes. So is a verification that
    is not good: then the trash stays whole.
    """
    if plan.source != source.name or plan.kind != source.kind:
        raise Refused(f"This plan was made for {plan.source} ({plan.kind}), not for {source.name} ({source.kind}).")
    word = (stopped or "").strip()
    if not source.capabilities.needs_control:
        # Nothing is done behind a registry's or an engine's back: it deletes for us, and refuses what it needs.
        return _asked_to_delete(source, plan, word, trash=trash, report=report)
    storage = storage_of(source)
    chosen = control if control is not None else Stated(stopped or "")
    if not chosen.words:
        chosen.take(lambda former: None)  # says what is missing
    with storage.store.lock(LOCK):
        put_right(chosen, storage.store)
        journal, record = run_of(storage.store, plan.digest())
        if record.finished:
            return finished(storage, journal, record, depth, report)
        run = Run(storage, plan, journal, record, depth, report, collector)
        return run.carry_out(chosen, window, trash=trash)


def _asked_to_delete(source: Source, plan: Plan, word: str, *, trash: bool, report: Report) -> Outcome:
    """Let a registry or an engine carry ``plan`` out. What speaks to one is loaded only where there is one."""
    match source.kind:
        case "registry-v2":
            from prune.reclaim.registry import apply_registry
            from prune.sources.registry_v2.source import RegistryV2

            if isinstance(source, RegistryV2):
                return apply_registry(source, plan, word, trash=trash, report=report)
        case "registry-v1":
            from prune.reclaim.registry_v1 import apply_registry_v1
            from prune.sources.registry_v1.source import RegistryV1

            if isinstance(source, RegistryV1):
                return apply_registry_v1(source, plan, word, report)
        case "docker-engine":
            from prune.reclaim.engine import apply_engine
            from prune.sources.docker_engine.source import DockerEngine

            if isinstance(source, DockerEngine):
                return apply_engine(source, plan, word, trash=trash, report=report)
    raise Refused(f"Cleaning up {source.kind} is not supported yet.")


def storage_of(source: Source) -> StorageSource:
    """Return ``source`` when plans are carried out on its files; raise ``Refused`` otherwise."""
    if in_storage(source):
        return source
    raise Refused(f"Cleaning up {source.kind} is not supported yet.")
