"""The forms of the engine's sentences, which `make messages` collects and catalogs translate: ``%(names)s`` stand for
what changes from sentence to sentence."""

from registryui.services.phrases import control, plans, policies, runs, scans, sources, system

FORMS = (*plans.FORMS, *policies.FORMS, *scans.FORMS, *sources.FORMS, *runs.FORMS, *control.FORMS, *system.FORMS)
