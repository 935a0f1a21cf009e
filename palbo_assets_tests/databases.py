"""A PostgreSQL cluster of the tests' own: in a temporary folder, on loopback, stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def postgres_binaries() -> Path | None:
    """Folder of initdb and postgres, newest version first; None where PostgreSQL isn't installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True)
    if found:
        return found[0].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_cluster(folder: Path) -> Iterator[str]:
    """SQLAlchemy URL of a fresh cluster. PostgreSQL refuses root, so root hands it to the user ``postgres``."""
    binaries = postgres_binaries()
    assert binaries is not None
    data = folder / "data"
    owner: dict[str, str] = {}
    if os.geteuid() == 0:
        owner = {"user": "postgres", "group": "postgres"}
        for parent in folder.parents:
            if parent != Path("/") and parent.stat().st_mode & 0o011 != 0o011:
                parent.chmod(parent.stat().st_mode | 0o011)
        folder.chmod(0o755)
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
    port = free_port()
    subprocess.run(
        [str(binaries / "initdb"), "-D", str(data), "-U", "palbo", "-A", "trust", "-E", "UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd="/",
        **owner,  # type: ignore[call-overload]
    )
    server = subprocess.Popen(
        [str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C that a test sends to its own group must not stop the server
        cwd="/",
        **owner,  # type: ignore[call-overload]
    )
    try:
        _wait(port, server)
        yield f"postgresql+psycopg2://palbo@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nobody needs the data any more
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg2

    deadline = time.monotonic() + 120  # a busy machine
    while True:
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="palbo", dbname="postgres").close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.1)
