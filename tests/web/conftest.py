"""People of every role, and registries that were scanned."""

import contextlib

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django_tasks_db.models import DBTaskResult

from registryui import demo
from registryui.models import Registry
from registryui.services import notices, registries, scans


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def no_heartbeat(settings):
    # A second thread would have a second connection, which an in-memory database never closes.
    settings.LEASE_BEAT_SECONDS = 3600


@pytest.fixture
def people(db) -> dict[str, User]:
    made = {}
    for role in ("viewer", "proposer", "approver", "admin"):
        made[role] = User.objects.create_user(role, password="x")
        made[role].groups.add(Group.objects.get(name=role))
    return made


@pytest.fixture
def client_of(people):
    def log_in(role: str | None) -> Client:
        client = Client()
        if role is not None:
            client.force_login(people[role])
        return client

    return log_in


@pytest.fixture
def posted(django_capture_on_commit_callbacks):
    """A context after which the worker has sent the letters that were queued in it; other tasks are left alone."""

    @contextlib.contextmanager
    def after():
        with django_capture_on_commit_callbacks(execute=True):
            yield
        queued = DBTaskResult.objects.filter(task_path="registryui.tasks.send")
        for letter in queued.order_by("enqueued_at"):
            notices.deliver(*letter.args_kwargs["args"])
        queued.delete()

    return after


def watched(source: str, slug: str, **options) -> Registry:
    registry = registries.add(None, Registry(slug=slug, title=slug, source=source, **options))
    scan(registry)
    registry.refresh_from_db()
    return registry


def scan(registry: Registry) -> None:
    scans.perform(scans.request(None, registry).pk)


@pytest.fixture
def seed(db, tmp_path) -> Registry:
    demo.build_v1(tmp_path / "seed")
    return watched(
        f"storage:{tmp_path / 'seed'}",
        "seed",
        control_statement="A test store: nobody serves it.",
        run_on_approval=True,
    )


@pytest.fixture
def shop(db, tmp_path) -> Registry:
    demo.build_v2(tmp_path / "shop")
    return watched(f"storage:{tmp_path / 'shop'}", "shop")
