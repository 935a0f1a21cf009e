"""Content-addressed store of immutable files, written so that nothing is ever half there.

Protocol: staging name with O_EXCL in the same file system, hash while writing, fsync, rename to ``<sha256>``, fsync of
the folder; readable names are links that are replaced atomically; readers verify the hash. Killed at any point, a
reader sees the old file or the new one (Gray & Reuter, shadow paging; POSIX rename).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from palbo_assets.platform.errors import PalboError

_CHUNK = 1024 * 1024
_STAGING = re.compile(r"\.(?P<pid>\d+)\.[0-9a-f]{16}\.part")


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def staging_path(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f".{os.getpid()}.{secrets.token_hex(8)}.part"


def sweep(folder: Path, older_than_seconds: float) -> int:
    """Delete staging files and folders below ``folder`` that dead processes left behind; how many.

    A staging file names the process that writes it, and is left alone while a process of that number is alive here.
    ``older_than_seconds`` protects writers on other hosts or in other containers, whose processes can't be seen.
    """
    swept = 0
    now = time.time()
    for staging in folder.rglob(".*.part"):
        name = _STAGING.fullmatch(staging.name)
        with suppress(FileNotFoundError):
            if name and now - staging.lstat().st_mtime >= older_than_seconds and not _alive(int(name["pid"])):
                shutil.rmtree(staging) if staging.is_dir() and not staging.is_symlink() else staging.unlink()
                swept += 1
    return swept


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


class ObjectStore:
    """Files named by the SHA-256 of their content, read-only once there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    def put_bytes(self, content: bytes) -> str:
        """Store ``content``; its SHA-256. An object that is already there is left alone."""
        sha256 = hashlib.sha256(content).hexdigest()
        target = self.path(sha256)
        if target.exists():
            return sha256
        staging = staging_path(target.parent)
        try:
            with staging.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            staging.chmod(0o440)
            staging.replace(target)
        finally:
            staging.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return sha256

    def read_verified(self, sha256: str) -> bytes:
        """The object's bytes.

        Raises
        ------
        PalboError
            ``E_OBJECT_MISSING``, or ``E_BIT_ROT`` when the content no longer has its hash.
        """
        target = self.path(sha256)
        try:
            content = target.read_bytes()
        except FileNotFoundError:
            raise PalboError(
                "E_OBJECT_MISSING", "a stored object is gone", file=sha256, fix="materialise its partition again"
            ) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise PalboError(
                "E_BIT_ROT",
                "a stored object no longer has its checksum",
                file=sha256,
                fix="restore it from the backup, or delete it and materialise its partition again",
            )
        return content


def write_atomically(target: Path, content: bytes) -> None:
    """Replace ``target`` by ``content`` in one step; unchanged content is not written again."""
    if target.is_file() and target.read_bytes() == content:
        return
    staging = staging_path(target.parent)
    try:
        with staging.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        staging.replace(target)
    finally:
        staging.unlink(missing_ok=True)
    _sync_folder(target.parent)


def link_atomically(name: Path, target: Path) -> None:
    """Point the readable ``name`` at ``target`` by a relative link, replaced in one step."""
    wanted = os.path.relpath(target, name.parent)
    if name.is_symlink() and name.readlink() == Path(wanted):
        return
    staging = staging_path(name.parent)
    try:
        staging.symlink_to(wanted)
        staging.replace(name)
    finally:
        staging.unlink(missing_ok=True)
    _sync_folder(name.parent)
