"""When a policy is due. Cron on the clocks of a time zone, where some days have 23 hours and others 25."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from prune.policy.schema import Schedule


def next_run(schedule: Schedule, after: int) -> int:
    """Return the first time after ``after`` (both in seconds, UTC) at which the schedule is due.

    A time that the clocks skip in spring is due right after the gap; one that they show twice in autumn is due once.
    """
    return int(next(CronSim(schedule.cron, _local(schedule, after))).timestamp())


def missed(schedule: Schedule, last: int, now: int) -> int | None:
    """Return the last time after ``last`` and not after ``now`` at which the schedule was due, ``None`` when there
    was none: however many were missed, one run makes up for all of them."""
    due = int(next(CronSim(schedule.cron, _local(schedule, now + 1), reverse=True)).timestamp())
    return due if last < due <= now else None


def _local(schedule: Schedule, time: int) -> datetime:
    return datetime.fromtimestamp(time, UTC).astimezone(ZoneInfo(schedule.tz))
