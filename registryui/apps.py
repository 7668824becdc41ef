"""The Django app."""

from django.apps import AppConfig


class RegistryUI(AppConfig):
    """Models, services, pages and commands of the dashboard."""

    name = "registryui"
    verbose_name = "Registries"
