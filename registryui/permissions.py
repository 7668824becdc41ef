"""Who may do what. Every view declares what it asks for; a test walks all addresses and fails where one does not."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase

VIEW = "registryui.view_registry"
PROPOSE = "registryui.add_proposal"
WRITE_POLICY = "registryui.add_policyversion"
APPROVE = "registryui.add_approval"
RESTORE = "registryui.restore_run"
SCRUB = "registryui.add_scrub"
CLEAN_UP = "registryui.add_run"
EMPTY_TRASH = "registryui.empty_trash"
MANAGE = "registryui.change_registry"

#: Each role may do what the one before it may.
ROLES: dict[str, tuple[str, ...]] = {
    "viewer": (VIEW,),
    "proposer": (PROPOSE, WRITE_POLICY),
    "approver": (APPROVE, RESTORE, SCRUB),
    "admin": (CLEAN_UP, EMPTY_TRASH, MANAGE),
}


def who_may(permission: str) -> QuerySet[User]:
    """Return everybody who has ``permission`` now, by a role or otherwise, and whose account is open."""
    return User.objects.with_perm(permission, backend="django.contrib.auth.backends.ModelBackend")


type View = Callable[..., HttpResponseBase]


def requires(permission: str) -> Callable[[View], View]:
    """Let only people with ``permission`` in; everybody else who is logged in gets a 403 in words."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded = login_required(checked)
        guarded.permission = permission  # type: ignore[attr-defined]  # read by the test that walks the addresses
        return guarded

    return decorate
