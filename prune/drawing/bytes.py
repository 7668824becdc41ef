"""How bytes are shown to people."""


def human(number: int) -> str:
    """Return a number of bytes for people, in powers of 1000."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{number} B" if unit == "B" else f"{size:.1f} {unit}"
