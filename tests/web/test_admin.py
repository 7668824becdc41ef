"""The admin site shows what there is, and lets nobody change what the pages look after."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from registryui.admin import ReadOnly
from registryui.models import InUsePlace, Listening, Policy, PolicyRun, PolicyVersion, StandingApproval
from registryui.services import listening, policies, policy_runs, standing

pytestmark = pytest.mark.django_db

SHOWN = [model for model, shown in admin.site._registry.items() if isinstance(shown, ReadOnly)]


@pytest.fixture
def filled(seed, people) -> str:
    version = policies.create(people["proposer"], "Old", "seed", "delete: [{tag: old}]")
    policy_runs.ask(people["proposer"], policies.activate(people["proposer"], version), seed)
    standing.ask(people["approver"], version, seed, "because")
    InUsePlace.objects.create(registry=seed, place="docker:", report=b"{}")
    return listening.begin(people["admin"], seed)[1]


@pytest.fixture
def root(filled) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_everything_is_shown_and_nothing_can_be_changed(root, filled):
    assert {Policy, PolicyVersion, PolicyRun, StandingApproval, InUsePlace, Listening} <= {*SHOWN}
    for model in SHOWN:
        name = f"admin:registryui_{model._meta.model_name}"
        assert root.get(reverse(f"{name}_changelist")).status_code == 200
        assert root.get(reverse(f"{name}_add")).status_code == 403
        row = model.objects.first()
        if row is None:
            continue
        page = root.get(reverse(f"{name}_change", args=[row.pk]))
        assert page.status_code == 200
        if isinstance(row, Listening):
            assert row.token_hash not in page.content.decode()
        assert root.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert root.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
