"""Files may arrive in any order, over any number of scans, and end in the same place."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palbo_assets_tests.landing.conftest import Landing

FCS = {"modality": "facs", "file": "tube.fcs"}
DELIVERIES: dict[str, tuple[str, dict[str, str]]] = {
    # delivery: (content, row) ; nothing here is a newer version of anything else
    "lab/tumour": (
        "tumour",
        {"modality": "wes", "file": "t.bam", "patient_id": "P-1", "timepoint": "BL", "role": "tumour_bam"},
    ),
    "lab/normal": ("normal", {"modality": "wes", "file": "n.bam", "patient_id": "P-1", "role": "normal_bam"}),
    "lab/orphan": (
        "orphan",
        {"modality": "wes", "file": "t.bam", "patient_id": "P-2", "timepoint": "BL", "role": "tumour_bam"},
    ),
    "lab/badnormal": ("TRUNCATED", {"modality": "wes", "file": "n.bam", "patient_id": "P-2", "role": "normal_bam"}),
    "lab/plasma": ("plasma", {"modality": "ctdna", "file": "c.bam", "patient_id": "P-1", "timepoint": "PD"}),
    "lab/panel": ("chr1", {"modality": "ctdna", "file": "p.bed"}),
    "lab/swapped": ("same", {**FCS, "patient_id": "P-1", "timepoint": "BL"}),
    "lab/swapper": ("same", {**FCS, "patient_id": "P-3", "timepoint": "BL"}),
    "lab/fine": ("fine", {**FCS, "patient_id": "P-1", "timepoint": "W06"}),
    "lab/broken": ("CRASH", {**FCS, "patient_id": "P-1", "timepoint": "W12"}),
    "lab/typo": ("typo", {**FCS, "patient_id": "p-1", "timepoint": "W12"}),
    "lab/clinical": ("patients", {"modality": "clinical", "file": "export.csv"}),
}
EXPECTED = {
    "lab/tumour/t.bam": ("ACCEPTED", ""),
    "lab/normal/n.bam": ("ACCEPTED", ""),
    "lab/orphan/t.bam": ("WAITING", "W_INCOMPLETE"),
    "lab/badnormal/n.bam": ("QUARANTINED", "E_TRUNCATED"),
    "lab/plasma/c.bam": ("ACCEPTED", ""),
    "lab/panel/p.bed": ("ACCEPTED", ""),
    "lab/swapped/tube.fcs": ("QUARANTINED", "E_SAMPLE_SWAP_SUSPECT"),
    "lab/swapper/tube.fcs": ("QUARANTINED", "E_SAMPLE_SWAP_SUSPECT"),
    "lab/fine/tube.fcs": ("ACCEPTED", ""),
    "lab/broken/tube.fcs": ("QUARANTINED", "E_CRASH_SIGNAL"),
    "lab/typo/tube.fcs": ("QUARANTINED", "E_BAD_PATIENT_ID"),
    "lab/clinical/export.csv": ("ACCEPTED", ""),
}
EVENTS = [(delivery, what) for delivery in DELIVERIES for what in ("file", "manifest")]


def happen(landing: Landing, delivery: str, what: str) -> None:
    content, row = DELIVERIES[delivery]
    if what == "manifest":
        landing.manifest(delivery, [{**row, "sha256": hashlib.sha256(content.encode()).hexdigest()}])
    else:
        folder = landing.root / delivery
        folder.mkdir(parents=True, exist_ok=True)
        (folder / row["file"]).write_text(content)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(EVENTS), scans=st.sets(st.integers(1, len(EVENTS) - 1), max_size=4))
def test_files_and_manifests_in_any_order_end_with_the_same_statuses(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[str, str]], scans: set[int]
) -> None:
    landing = Landing(tmp_path_factory.mktemp("order"))
    for number, (delivery, what) in enumerate(order):
        if number in scans:
            landing.scan()
        happen(landing, delivery, what)
    landing.scan()
    assert landing.statuses() == EXPECTED
    assert landing.scan().quiet


def test_of_versions_the_one_that_arrived_last_counts_whatever_the_order(tmp_path: Path) -> None:
    for number, order in enumerate(itertools.permutations(("a", "b", "c"))):
        landing = Landing(tmp_path / str(number))
        for content in order:
            landing.fcs(f"lab/{content}", "P-1", f"version {content}")
            landing.scan()
        accepted = [path for path, found in landing.statuses().items() if found[0] == "ACCEPTED"]
        assert accepted == [f"lab/{order[-1]}/tube.fcs"]


def test_of_versions_that_arrive_together_the_last_by_name_counts(landing: Landing) -> None:
    for content in ("b", "c", "a"):
        landing.fcs(f"lab/{content}", "P-1", f"version {content}")
    landing.scan()
    assert landing.statuses()["lab/c/tube.fcs"] == ("ACCEPTED", "")
