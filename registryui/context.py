"""What every page knows."""

from typing import Any

from django.http import HttpRequest

from registryui.models import Proposal, Registry
from registryui.services import policy_runs
from registryui.words import script_words

#: Which entry of the main menu a page belongs to, by the name of its address.
SECTIONS = {
    "registries": "registries",
    "registry": "registries",
    "registry-add": "registries",
    "registry-edit": "registries",
    "registry-events": "registries",
    "repository": "registries",
    "image": "registries",
    "image-graph": "registries",
    "registry-graph": "registries",
    "scrub": "registries",
    "compare": "registries",
    "space": "space",
    "space-all": "space",
    "propose": "registries",
    "draft": "registries",
    "selection": "registries",
    "proposals": "proposals",
    "proposal": "proposals",
    "proposal-edit": "proposals",
    "proposal-items": "proposals",
    "policies": "policies",
    "policy": "policies",
    "policy-add": "policies",
    "policy-edit": "policies",
    "policy-version": "policies",
    "policy-run": "policies",
    "run": "proposals",
    "search": "search",
    "trash": "trash",
    "history": "history",
    "history-deletions": "history",
    "history-tags": "history",
    "proposal-then": "proposals",
}


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Return the colour theme that this browser chose, where in the menu the page is, and what waits."""
    theme = request.COOKIES.get("theme", "")
    match = request.resolver_match
    known: dict[str, Any] = {
        "theme": theme if theme in ("light", "dark") else "",
        "script_words": script_words(),
        "section": SECTIONS.get(match.url_name or "", "") if match else "",
    }
    if hasattr(request, "user") and request.user.is_authenticated and match and match.app_name != "admin":
        known["waiting"] = Proposal.objects.filter(state="proposed").count()
        known["tripped_runs"] = policy_runs.open_trips()
        known["held_registries"] = Registry.objects.exclude(held_since=None).order_by("held_since")
    return known
