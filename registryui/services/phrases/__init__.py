"""The forms of the engine's sentences, which `make messages` collects and catalogs translate: ``%(names)s`` stand for
what changes from sentence to sentence."""

from registryui.services.phrases import (
    control,
    drawings,
    kept,
    parsers,
    plans,
    policies,
    runs,
    scans,
    sources,
    system,
    texts,
)

FORMS = (
    *plans.FORMS,
    *policies.FORMS,
    *texts.FORMS,
    *scans.FORMS,
    *sources.FORMS,
    *runs.FORMS,
    *control.FORMS,
    *drawings.FORMS,
    *kept.FORMS,
    *system.FORMS,
    *parsers.FORMS,
)
