"""Secrets at rest: encrypted with a key from the environment, never shown again, never logged."""

import base64
import hashlib
import os

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


def _fernet() -> Fernet:
    """Return the cipher of ``REGISTRYUI_ENCRYPTION_KEY``, or one derived from the secret key."""
    key = os.environ.get("REGISTRYUI_ENCRYPTION_KEY", "") or f"secrets of {settings.SECRET_KEY}"
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))


def encrypt(text: str) -> str:
    """Return ``text`` so that it can be stored; nothing stays nothing."""
    return _fernet().encrypt(text.encode()).decode() if text else ""


def decrypt(stored: str) -> str:
    """Return what was encrypted; raise ``ValueError`` when the key is another one now."""
    if not stored:
        return ""
    try:
        return _fernet().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise ValueError("The password or key was encrypted with another key; enter it again.") from None
