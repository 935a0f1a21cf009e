"""Content hashes of landed files, taken without following links and only of files that hold still."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_BLOCK = 1024 * 1024


class ChangingError(Exception):
    """The file changed while it was read, or is gone."""


def sha256_of(path: Path, fingerprint: tuple[int, int, int]) -> str:
    """SHA-256 of a file that still is what the listing saw (size, mtime in ns, inode).

    Raises
    ------
    ChangingError
        The file isn't the one that was listed, changed meanwhile, or can't be read.
    """
    digest = hashlib.sha256()
    read = 0
    try:
        # O_NONBLOCK: a pipe that took the file's name meanwhile must not hang the scan.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            if _fingerprint(os.fstat(stream.fileno())) != fingerprint:
                raise ChangingError(path.name)
            while block := stream.read(_BLOCK):
                digest.update(block)
                read += len(block)
            after = _fingerprint(os.fstat(stream.fileno()))
    except OSError:
        raise ChangingError(path.name) from None
    if after != fingerprint or read != fingerprint[0]:
        raise ChangingError(path.name)
    return digest.hexdigest()


def unchanged(path: Path, fingerprint: tuple[int, int, int]) -> bool:
    """Whether the file is still the one that was listed."""
    try:
        return _fingerprint(path.lstat()) == fingerprint
    except OSError:
        return False


def _fingerprint(seen: os.stat_result) -> tuple[int, int, int]:
    return seen.st_size, seen.st_mtime_ns, seen.st_ino
