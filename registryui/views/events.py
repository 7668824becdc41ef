"""What a registry tells of pulls and pushes: taking it in from the registry, and the page about it."""

import logging
import time
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from prune.model.errors import Unreadable
from prune.sources.registry_v2.notifications import MAX_ENVELOPE, is_envelope, read_envelope
from registryui.models import Listening, Registry
from registryui.permissions import MANAGE, VIEW, requires
from registryui.services import events, listening
from registryui.services.errors import NotNow
from registryui.views.registries import of_slug
from registryui.views.user import person

log = logging.getLogger(__name__)

#: Envelopes of one registry in a second that one process takes in. A registry sends the next one when it has the
#: answer to the last, so it does not come to so many, and tries again what is refused.
MOST_A_SECOND = 300


@csrf_exempt  # a registry has no session, and proves who it is by its token
@login_not_required
@require_POST
def receive(request: HttpRequest, slug: str) -> HttpResponse:
    """Take in what a registry tells. Whatever is not taken in, the registry sends again, or it counts as missed."""
    row = events.listening(slug, request.headers.get("Authorization", ""))
    if row is None:
        return _answer("The token is not the one of this registry.", 401, {"WWW-Authenticate": "Bearer"})
    # Only what has the token counts: behind one proxy all have one address, and nobody else may use up its share.
    if _too_many(slug):
        return _answer("Too many at once; try again.", 429, {"Retry-After": "1"})
    if not is_envelope(request.headers.get("Content-Type", "")):
        return _not_understood(row, "it is not of the media type of events", 415)
    body = request.read(MAX_ENVELOPE + 1)
    if len(body) > MAX_ENVELOPE:
        return _not_understood(row, "it is too large", 413)
    try:
        told = read_envelope(body)
    except Unreadable as error:
        return _not_understood(row, str(error), 400)
    try:
        events.keep(row, told)
    except DatabaseError as error:
        log.warning("Events of %s could not be stored, and will be sent again: %s", slug, error)
        return _answer("Busy; try again.", 503, {"Retry-After": "1"})
    return HttpResponse(status=204)


def _too_many(slug: str) -> bool:
    key = f"events:{slug}:{int(time.time())}"
    cache.add(key, 0, 5)
    try:
        return cache.incr(key) > MOST_A_SECOND
    except ValueError:  # it was pushed out of the cache just now
        return False


def _not_understood(row: Listening, why: str, status: int) -> HttpResponse:
    events.doubt(row.registry, f"Something that it told was not understood: {why}.")
    return _answer(f"Not understood: {why}.", status)


def _answer(text: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain", headers=headers)


class ListeningForm(forms.ModelForm[Listening]):
    """Whose pulls do not count, and what is taken for a gap."""

    class Meta:
        model = Listening
        fields = ["ignored_agents", "quiet_hours", "restart_is_gap"]
        widgets = {"ignored_agents": forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "code"})}
        labels = {
            "ignored_agents": gettext_lazy("Pulls that do not count"),
            "quiet_hours": gettext_lazy("Longest silence (hours)"),
            "restart_is_gap": gettext_lazy("A restart of the registry is a gap"),
        }

    def clean_ignored_agents(self) -> str:
        """Check that each line is a pattern."""
        try:
            return listening.checked_agents(self.cleaned_data["ignored_agents"])
        except NotNow as error:
            raise forms.ValidationError(error.told) from None


@require_GET
@requires(VIEW)
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """How a registry is listened to."""
    return _page(request, of_slug(slug))


def _page(request: HttpRequest, registry: Registry, **more: Any) -> HttpResponse:
    row = listening.of(registry)
    context = {
        "registry": registry,
        "listening": row,
        "since": events.since(row, timezone.now()) if row is not None else None,
        "form": ListeningForm(instance=row) if row is not None else None,
        "url": request.build_absolute_uri(reverse("events-receive", args=[registry.slug])),
        **more,
    }
    return render(request, "events.html", context)


@require_POST
@never_cache
@requires(MANAGE)
@sensitive_variables("token")
def make_token(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a new token, and show it this once, within what goes into the registry's configuration."""
    registry = of_slug(slug)
    _row, token = listening.begin(person(request), registry)
    return _page(request, registry, token=token)


@require_POST
@requires(MANAGE)
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what counts."""
    registry = of_slug(slug)
    row = listening.of(registry)
    if row is None:
        messages.error(request, _("This registry is not listened to any more."))
        return redirect("registry-events", slug)
    form = ListeningForm(request.POST, instance=row)
    if not form.is_valid():
        return _page(request, registry, form=form)
    listening.change(person(request), form.instance)
    messages.success(request, _("Saved."))
    return redirect("registry-events", slug)


@require_POST
@requires(MANAGE)
def anew(request: HttpRequest, slug: str) -> HttpResponse:
    """Count from the next event on."""
    listening.anew(person(request), of_slug(slug))
    messages.success(request, _("Pulls count from the next event on."))
    return redirect("registry-events", slug)


@require_POST
@requires(MANAGE)
def stop(request: HttpRequest, slug: str) -> HttpResponse:
    """Listen no longer."""
    listening.stop(person(request), of_slug(slug))
    return redirect("registry-events", slug)
