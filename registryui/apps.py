"""The Django app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RegistryUI(AppConfig):
    """Models, services, pages and commands of the dashboard."""

    name = "registryui"
    verbose_name = "Registries"

    def ready(self) -> None:
        """Listen to logins; make the groups after each migration."""
        from registryui import signals  # noqa: F401  # registers its receivers

        post_migrate.connect(make_roles, sender=self)


def make_roles(sender: AppConfig, **kwargs: Any) -> None:
    """Make the four groups with their permissions; rights that people gave a group besides are left alone."""
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    from registryui.permissions import ROLES

    create_permissions(sender, verbosity=0, using=kwargs.get("using", "default"))
    allowed: list[str] = []
    for role, permissions in ROLES.items():
        allowed += permissions
        group, _ = Group.objects.get_or_create(name=role)
        names = [permission.partition(".")[2] for permission in allowed]
        group.permissions.add(*Permission.objects.filter(content_type__app_label="registryui", codename__in=names))
