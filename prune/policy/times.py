"""Times as texts in images tell them, and which of them mean anything."""

import re
from datetime import UTC, datetime

#: 2013-01-01: before there were containers. A reproducible build says 1970, 1980 or the year 1 in place of a time.
_FIRST_IMAGE = 1_356_998_400

_FRACTION = re.compile(r"\.\d+")


def parse_created(text: str) -> int | None:
    """Return the seconds since 1970 of an RFC 3339 time with its zone; ``None`` when it is missing, malformed, or
    earlier than the first image could have been made (OCI image spec, config.md, ``created``)."""
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
        if moment.tzinfo is None:
            return None
        seconds = int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= _FIRST_IMAGE else None


def known(time: int | None, now: int) -> int | None:
    """Return ``time`` when it can be true: after 1970 and not in the future."""
    return time if time is not None and 0 < time <= now else None


def in_utc(time: int) -> str:
    """Return seconds since 1970 as a date and a time of the day, to the minute; what is no such time, as it is."""
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return str(time)
