"""Message catalogs: what translators write (``.po``) becomes what the dashboard reads (``.mo``).

``python -m registryui.catalogs`` compiles what has changed; `scripts/setup.sh` and the tests do so by themselves.
"""

import os
from pathlib import Path

import polib

LOCALE = Path(__file__).parent / "locale"


def compile_catalogs(folder: Path = LOCALE) -> list[Path]:
    """Compile every catalog that is newer than its compiled form; return those that were."""
    compiled = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        # Several processes may do so at once; each puts a whole file into place.
        part = target.with_name(f".{target.name}.{os.getpid()}")
        polib.pofile(str(source)).save_as_mofile(str(part))
        part.replace(target)
        compiled.append(target)
    return compiled


if __name__ == "__main__":
    compile_catalogs()
