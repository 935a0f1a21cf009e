"""The store under kills, full disks and rot: a reader sees the old file or the new one, never a part of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.store import (
    ObjectStore,
    file_sha256,
    link_atomically,
    staging_path,
    sweep,
    write_atomically,
)

SIZE = 3_000_000

WRITER = f"""
import sys
from pathlib import Path
from palbo_assets.platform.store import ObjectStore, write_atomically
root = Path(sys.argv[1])
store = ObjectStore(root / "objects")
print("ready", flush=True)
number = 0
while True:
    number += 1
    letter = bytes([97 + number % 26])
    write_atomically(root / "page.html", letter * {SIZE})
    store.put_bytes(b"%d " % number + letter * {SIZE})
"""

LIMITED = """
import resource, signal, sys
from pathlib import Path
from palbo_assets.platform.store import ObjectStore, write_atomically
root = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for write in (lambda: write_atomically(root / "page.html", b"n" * 50_000),
              lambda: ObjectStore(root / "objects").put_bytes(b"n" * 50_000)):
    try:
        write()
    except OSError as error:
        print(error.errno)
"""


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_behind(folder: Path, pid: int, age_seconds: float = 7200) -> Path:
    path = folder / f".{pid}.{os.urandom(8).hex()}.part"
    path.write_bytes(b"half a fi")
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return path


@given(st.binary(max_size=200))
def test_what_is_put_is_read_back_under_its_checksum(content: bytes) -> None:
    import hashlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = ObjectStore(Path(folder))
        sha256 = store.put_bytes(content)
        assert sha256 == hashlib.sha256(content).hexdigest()
        assert store.read_verified(sha256) == content
        assert store.put_bytes(content) == sha256


def test_an_object_is_read_only_and_alone_in_its_folder(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    path = store.path(store.put_bytes(b"content"))
    assert path.stat().st_mode & 0o222 == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_flipped_bit_is_noticed_before_anybody_reads_it(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    sha256 = store.put_bytes(b"content")
    store.path(sha256).chmod(0o640)
    store.path(sha256).write_bytes(b"c0ntent")
    with pytest.raises(PalboError, match="E_BIT_ROT"):
        store.read_verified(sha256)
    store.path(sha256).unlink()
    with pytest.raises(PalboError, match="E_OBJECT_MISSING"):
        store.read_verified(sha256)


def test_unchanged_content_is_not_written_again(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    write_atomically(target, b"same")
    before = target.stat()
    write_atomically(target, b"same")
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_name_moves_from_one_object_to_the_next_and_stays_valid_when_the_home_moves(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = ObjectStore(home / "objects")
    name = home / "products" / "expression" / "P1.parquet"
    for content in (b"first", b"second", b"second"):
        link_atomically(name, store.path(store.put_bytes(content)))
        assert name.read_bytes() == content
    assert [path.name for path in name.parent.iterdir()] == ["P1.parquet"]
    home.rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "products" / "expression" / "P1.parquet").read_bytes() == b"second"


@pytest.mark.faults
@pytest.mark.parametrize("delay", [0.004, 0.011, 0.023, 0.037, 0.052, 0.071])
def test_killed_at_any_point_the_old_or_the_new_file_is_whole(tmp_path: Path, delay: float) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    page = tmp_path / "page.html"
    while not page.exists():
        time.sleep(0.001)
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    content = page.read_bytes()
    assert len(content) == SIZE
    assert len(set(content)) == 1
    for stored in (tmp_path / "objects").rglob("*"):
        if stored.is_file() and not stored.name.startswith("."):
            assert file_sha256(stored) == stored.name
    sweep(tmp_path, older_than_seconds=0)
    assert not list(tmp_path.rglob(".*.part"))


@pytest.mark.faults
def test_a_disk_that_fills_up_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    import errno

    write_atomically(tmp_path / "page.html", b"old")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, check=True, text=True)
    assert done.stdout.split() == [str(errno.EFBIG), str(errno.EFBIG)]
    assert (tmp_path / "page.html").read_bytes() == b"old"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "page.html"]


def test_files_of_dead_writers_are_swept_and_all_others_kept(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    kept = store.path(store.put_bytes(b"content"))
    dead = dead_pid()
    orphan = left_behind(kept.parent, dead)
    dangling = kept.parent / f".{dead}.{'0' * 16}.part"
    dangling.symlink_to("nowhere")
    of_the_living = left_behind(tmp_path, os.getpid())
    young = left_behind(tmp_path, dead, age_seconds=10)
    of_a_lab = tmp_path / ".upload.part"
    of_a_lab.write_bytes(b"")
    os.utime(of_a_lab, (0, 0))
    os.utime(dangling, (0, 0), follow_symlinks=False)
    assert sweep(tmp_path, older_than_seconds=3600) == 2
    assert not orphan.exists()
    assert not dangling.is_symlink()
    assert all(path.exists() for path in (kept, of_the_living, young, of_a_lab))
    assert sweep(tmp_path / "not there", older_than_seconds=0) == 0


def test_a_folder_of_a_dead_writer_is_swept_with_all_that_it_holds(tmp_path: Path) -> None:
    orphan = tmp_path / f".{dead_pid()}.{'0' * 16}.part"
    (orphan / "tables").mkdir(parents=True)
    (orphan / "tables" / "half.parquet").write_bytes(b"PAR1")
    assert sweep(tmp_path, older_than_seconds=0) == 1
    assert not list(tmp_path.iterdir())


def test_a_staging_name_is_what_sweep_recognises(tmp_path: Path) -> None:
    staging = staging_path(tmp_path)
    orphan = staging.with_name(staging.name.replace(f".{os.getpid()}.", f".{dead_pid()}.", 1))
    orphan.write_bytes(b"")
    assert sweep(tmp_path, older_than_seconds=0) == 1


def test_preparing_an_installation_sweeps_it_but_never_the_landing_zone(tmp_path: Path) -> None:
    from palbo_assets.ingest import prepare

    home = Home.at(tmp_path)
    home.create()
    dead = dead_pid()
    orphans = [left_behind(folder, dead) for folder in (home.objects, home.products, home.pages)]
    of_a_lab = left_behind(home.landing, dead)
    prepare(home)
    assert not any(path.exists() for path in orphans)
    assert of_a_lab.exists()
