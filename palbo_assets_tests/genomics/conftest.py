"""The small synthetic genome that tests of shared DNA methods read."""

from __future__ import annotations

import pytest

from palbo_assets.demo.genome import MiniGenome, build_genome


@pytest.fixture(scope="session")
def genome(tmp_path_factory: pytest.TempPathFactory) -> MiniGenome:
    return build_genome(tmp_path_factory.mktemp("genome"), seed=11)
