"""What the worker does: thin wrappers, so that everything can be called without a queue."""

from django.tasks import task


@task()
def scan(scan_id: int) -> None:
    """Read a registry."""
    from registryui.services import scans

    scans.perform(scan_id)


@task()
def carry_out(run_id: int) -> None:
    """Carry a run out."""
    from registryui.services import runs

    runs.perform(run_id)


@task()
def scrub(scrub_id: int) -> None:
    """Look for damage in a registry."""
    from registryui.services import scrubs

    scrubs.perform(scrub_id)


@task()
def ask_in_use(pk: int) -> None:
    """Ask an engine or cluster what it runs."""
    from registryui.models import InUsePlace
    from registryui.services import in_use

    place = InUsePlace.objects.filter(pk=pk).first()
    if place is not None:
        in_use.ask_place(place)


@task()
def touch(pk: int) -> None:
    """Ask a registry for something, to hear whether it tells us of that."""
    from registryui.services import listening

    listening.touch(pk)


@task()
def send(subject: str, body: str, to: list[str]) -> None:
    """Send a letter."""
    from registryui.services import notices

    notices.deliver(subject, body, to)


@task()
def run_policy(pk: int) -> None:
    """Let a policy look at a registry."""
    from registryui.services import policy_runs

    policy_runs.perform(pk)


@task()
def draft(pk: int) -> None:
    """Work a large proposal out."""
    from registryui.services import drafts

    drafts.perform(pk)
