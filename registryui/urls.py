"""Every address of the dashboard."""

from django.contrib import admin
from django.contrib.auth import views as accounts
from django.urls import path

from registryui.views import (
    health,
    history,
    images,
    proposals,
    registries,
    repositories,
    runs,
    scrubs,
    search,
    selection,
    user,
)

urlpatterns = [
    path("", registries.overview, name="registries"),
    path("r/add/", registries.add, name="registry-add"),
    path("r/<slug:slug>/", registries.detail, name="registry"),
    path("r/<slug:slug>/change/", registries.edit, name="registry-edit"),
    path("r/<slug:slug>/scan/", registries.scan, name="registry-scan"),
    path("r/<slug:slug>/scan/state/", registries.scan_state, name="scan-state"),
    path("r/<slug:slug>/looked-after/", registries.looked_after, name="registry-looked-after"),
    path("r/<slug:slug>/scrub/", scrubs.overview, name="scrub"),
    path("r/<slug:slug>/scrub/start/", scrubs.start, name="scrub-start"),
    path("r/<slug:slug>/scrub/progress/", scrubs.progress, name="scrub-progress"),
    path("r/<slug:slug>/propose/", proposals.propose, name="propose"),
    path("r/<slug:slug>/selection/", selection.selection, name="selection"),
    path("r/<slug:slug>/repositories/<path:name>/", repositories.detail, name="repository"),
    path("r/<slug:slug>/images/<str:digest>/", images.detail, name="image"),
    path("r/<slug:slug>/compare/", images.compare, name="compare"),
    path("proposals/", proposals.overview, name="proposals"),
    path("proposals/<int:pk>/", proposals.detail, name="proposal"),
    path("proposals/<int:pk>/approve/", proposals.approve, name="proposal-approve"),
    path("proposals/<int:pk>/reject/", proposals.reject, name="proposal-reject"),
    path("proposals/<int:pk>/withdraw/", proposals.withdraw, name="proposal-withdraw"),
    path("proposals/<int:pk>/comment/", proposals.comment, name="proposal-comment"),
    path("proposals/<int:pk>/refresh/", proposals.refresh, name="proposal-refresh"),
    path("proposals/<int:pk>/edit/", proposals.edit, name="proposal-edit"),
    path("proposals/<int:pk>/run/", proposals.run, name="proposal-run"),
    path("proposals/<int:pk>/plan.json", proposals.plan_file, name="proposal-plan"),
    path("runs/<int:pk>/", runs.detail, name="run"),
    path("runs/<int:pk>/progress/", runs.progress, name="run-progress"),
    path("runs/<int:pk>/undo/", runs.restore, name="run-restore"),
    path("runs/<int:pk>/empty/", runs.empty, name="run-empty"),
    path("search/", search.search, name="search"),
    path("trash/", runs.trash, name="trash"),
    path("history/", history.overview, name="history"),
    path("theme/", user.theme, name="theme"),
    path("login/", accounts.LoginView.as_view(template_name="login.html"), name="login"),
    path("logout/", accounts.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        accounts.PasswordChangeView.as_view(template_name="password.html", success_url="/"),
        name="password_change",
    ),
    path("healthz", health.healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
