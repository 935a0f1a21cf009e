"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real third-party files of every modality; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("PALBO_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real-file collection is not here ({folder}); set PALBO_SHARED_DATA to run this test")
    return folder
