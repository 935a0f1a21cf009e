"""The installed formats, with real files, through the same door."""

from __future__ import annotations

from pathlib import Path

import pytest

from palbo_assets.landing.problem import Status
from palbo_assets.landing.scan import check
from palbo_assets.platform.formats import Scope, registry
from palbo_assets_tests.landing.fakes import REGISTRY

SMALL = 20 * 1024 * 1024


def test_every_installed_format_can_be_recognised_or_named_and_its_needs_exist() -> None:
    known = registry()
    assert {role for _, role in REGISTRY} & {role for _, role in known}
    for (modality, role), item in known.items():
        assert (item.modality, item.role) == (modality, role)
        assert item.scope in Scope
        assert all(suffix == suffix.lower() for suffix in item.suffixes)
        for alternatives in item.needs:
            assert any((modality, needed) in known for needed in alternatives)


@pytest.mark.parametrize("suffix", [".fcs", "quant.sf", ".vcf", ".svs"])
def test_real_files_are_judged_without_a_crash(shared_data: Path, suffix: str) -> None:
    found = sorted(
        path for path in shared_data.rglob(f"*{suffix}") if path.is_file() and 0 < path.stat().st_size < SMALL
    )[:2]
    if not found:
        pytest.skip(f"the collection has no small *{suffix}")
    for path in found:
        (said,) = check(path).files
        assert said.reason not in ("E_CRASH_SIGNAL", "E_TIMEOUT", "E_MEMORY_LIMIT")
        assert said.status is Status.ACCEPTED or said.fix
