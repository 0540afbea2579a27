"""Secrets that an embedded jetcron makes for itself: one per file, readable by its owner only."""

import os
import secrets
from pathlib import Path

OWNER_ONLY = 0o600
RANDOM_BYTES = 48


def write_private(path: Path, text: str) -> None:
    """Replace the file whole: after a crash it holds the old text or the new one, never a part."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_directory(path.parent)


def read_or_create(path: Path) -> str:
    """The secret in the file; a new random one is stored there first if there is none."""
    try:
        stored = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        stored = ""
    if stored:
        return stored
    created = secrets.token_urlsafe(RANDOM_BYTES)
    write_private(path, created + "\n")
    return created


def _sync_directory(directory: Path) -> None:
    # What was sealed with a key outlives a power cut, so the key's name in its directory must as well.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
