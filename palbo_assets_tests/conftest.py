"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from palbo_assets_tests.databases import postgres_binaries, running_cluster

REPOSITORY = Path(__file__).resolve().parents[1]

# A run that nobody watches must not fail by the luck of the draw or by a slow machine: the same examples every time, no
# clock, no memory of former runs. To look for new counterexamples: pytest --hypothesis-profile=search.
FIXTURES_ARE_FOLDERS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, suppress_health_check=FIXTURES_ARE_FOLDERS
)
settings.register_profile("search", deadline=None, suppress_health_check=FIXTURES_ARE_FOLDERS, print_blob=True)
settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes first: two workers that take file after file then end together."""
    items.sort(key=_lateness)


def _lateness(item: pytest.Item) -> int:
    """End-to-end tests first, of these what drives processes and mostly waits; it stays in the order of the files."""
    return sum(item.get_closest_marker(name) is None for name in ("end_to_end", "daemon"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real third-party files of every modality; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("PALBO_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real-file collection is not here ({folder}); set PALBO_SHARED_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """URL of a PostgreSQL server of this test session."""
    if postgres_binaries() is None:
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    # Not under pytest's own folder: another session's clean-up there would take the server's files away.
    with (
        tempfile.TemporaryDirectory(prefix="palbo-postgres-", ignore_cleanup_errors=True) as folder,
        running_cluster(Path(folder)) as url,
    ):
        yield url


@pytest.fixture
def postgres_url(postgres_cluster: str) -> str:
    """URL of an empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    # No idle connection: a forked child of a test would close it for its parent.
    admin = sa.create_engine(postgres_cluster, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    admin.dispose()
    # Not dropped: the whole cluster goes at the end, and DROP DATABASE took servers down on a busy machine.
    return postgres_cluster.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind; empty text is the installation's own SQLite file."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
