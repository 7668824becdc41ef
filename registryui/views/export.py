"""The same rows as a page, a spreadsheet or JSON: streamed, however many there are."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone


def exported(
    request: HttpRequest, name: str, fields: Sequence[str], values: Iterable[dict[str, Any]]
) -> HttpResponseBase | None:
    """Return ``values`` as the file that the address asks for; ``None`` when it asks for a page."""
    match request.GET.get("format"):
        case "csv":
            return _stream(_csv(fields, values), "text/csv; charset=utf-8", f"{name}.csv")
        case "json":
            return _stream(_json(values), "application/json", f"{name}.json")
        case _:
            return None


def between(request: HttpRequest, rows: QuerySet[Any], field: str) -> QuerySet[Any]:
    """Return the rows of the days ``from`` and ``to`` of the address, both included; what is no date counts not."""
    first, last = _day(request.GET.get("from", "")), _day(request.GET.get("to", ""))
    if first is not None:
        rows = rows.filter(**{f"{field}__gte": _midnight(first)})
    if last is not None and last < date.max:
        rows = rows.filter(**{f"{field}__lt": _midnight(last + timedelta(days=1))})
    return rows


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _stream(body: Iterator[str], kind: str, name: str) -> HttpResponseBase:
    response = StreamingHttpResponse(body, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class _Line:
    """What the csv module writes to: gives each line back."""

    def write(self, text: str) -> str:
        return text


def _csv(fields: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(fields)
    for values in rows:
        yield writer.writerow([_cell(values[field]) for field in fields])


def _cell(value: Any) -> str:
    return _safe(json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value))


def _safe(cell: str) -> str:
    """Keep a spreadsheet from taking a cell for a formula."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _json(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield "["
    first = True
    for values in rows:
        yield ("" if first else ",\n") + json.dumps(values)
        first = False
    yield "]\n"
