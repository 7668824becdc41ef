"""Time zones, clocks that change, and schedules that were missed."""

from datetime import UTC, datetime

import pytest

from prune.policy.schedule import missed, next_run
from prune.policy.schema import Schedule


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("cron", "tz", "after", "due"),
    [
        ("0 3 * * *", "UTC", "2026-01-01T02:59", "2026-01-01T03:00"),
        ("0 3 * * *", "UTC", "2026-01-01T03:00", "2026-01-02T03:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-01-01T00:00", "2026-01-01T02:00"),
        ("0 3 * * *", "Europe/Berlin", "2026-07-01T00:00", "2026-07-01T01:00"),
        # In spring 02:30 does not exist in Berlin: right after the gap, which is 03:00 summer time.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),
        # In autumn 02:30 comes twice: the first time only.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("0 0 * * 1", "America/New_York", "2026-01-01T00:00", "2026-01-05T05:00"),
    ],
)
def test_next_run(cron, tz, after, due):
    assert next_run(Schedule(cron, tz), utc(after)) == utc(due)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        ("2026-01-01T03:00", "2026-01-02T02:59", None),
        ("2026-01-01T03:00", "2026-01-02T03:00", "2026-01-02T03:00"),
        ("2026-01-01T03:00", "2026-01-02T09:00", "2026-01-02T03:00"),
        ("2026-01-01T03:00", "2026-01-09T09:00", "2026-01-09T03:00"),
        ("2026-01-09T09:00", "2026-01-01T09:00", None),
    ],
)
def test_what_was_missed_is_due_once(last, now, due):
    found = missed(Schedule("0 3 * * *"), utc(last), utc(now))
    assert found == (utc(due) if due else None)
