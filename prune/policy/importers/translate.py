"""Which importer reads what."""

from collections.abc import Callable

from prune.model.errors import UsageError
from prune.policy.importers import acr, deckschrubber, ecr, gar, gitlab, harbor
from prune.policy.importers.draft import MAX_BYTES, Draft

IMPORTERS: dict[str, Callable[[str], Draft]] = {
    "harbor": harbor.translate,
    "gitlab": gitlab.translate,
    "ecr": ecr.translate,
    "acr": acr.translate,
    "gar": gar.translate,
    "deckschrubber": deckschrubber.translate,
}


def import_policy(kind: str, text: str) -> str:
    """Return ``text``, a policy in the language of ``kind``, as a policy of ours, in YAML with comments where meaning
    differs.

    Raises ``UsageError`` when ``kind`` is unknown, ``text`` is nothing of that kind, or nothing of it can be
    translated.
    """
    if kind not in IMPORTERS:
        raise UsageError(f"{kind!r} is not known; write one of {', '.join(IMPORTERS)}.")
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise UsageError(f"The file has more than {MAX_BYTES} bytes; that is no policy.")
    return IMPORTERS[kind](text).to_yaml()
