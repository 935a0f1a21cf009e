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
            if fingerprint_of(os.fstat(stream.fileno())) != fingerprint:
                raise ChangingError(path.name)
            while block := stream.read(_BLOCK):
                digest.update(block)
                read += len(block)
            after = fingerprint_of(os.fstat(stream.fileno()))
    except OSError:
        raise ChangingError(path.name) from None
    if after != fingerprint or read != fingerprint[0]:
        raise ChangingError(path.name)
    return digest.hexdigest()


def unchanged(path: Path, fingerprint: tuple[int, int, int]) -> bool:
    """Whether the file is still the one that was listed."""
    try:
        return fingerprint_of(path.lstat()) == fingerprint
    except OSError:
        return False


def fingerprint_of(seen: os.stat_result) -> tuple[int, int, int]:
    """Size in bytes, mtime in ns, and inode number (63 bits, which every database can store)."""
    return seen.st_size, seen.st_mtime_ns, seen.st_ino & 0x7FFF_FFFF_FFFF_FFFF
