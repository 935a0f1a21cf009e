"""What is due follows from files and published versions alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palbo_assets.platform.partitioning import Level
from palbo_assets.platform.planning import plan, runs_of
from palbo_assets.platform.provenance import FileIndex, ProductSpec, Snapshot
from palbo_assets.platform.tables import PATIENT_ID, TIMEPOINT, Table


@dataclass(frozen=True)
class File:
    sha256: str
    modality: str = "wes"
    role: str = "bam"
    scope: str = "sample"
    patient_id: str = "P1"
    timepoint: str = "BL"
    batch_key: str = ""
    specimen_id: str = "S"
    sample_name: str = ""
    panel_version: str = ""
    path: Path = Path("x")


def spec(
    name: str, level: Level, *, reads: Iterable[str] = (), upstream: Iterable[str] = (), roles: Iterable[str] = ()
) -> ProductSpec:
    table = Table(name, "d", "g", (PATIENT_ID, TIMEPOINT))
    return ProductSpec(table, level, tuple(reads), tuple(upstream), (), None, "room", "1", roles=tuple(roles))


SPECS = {
    item.name: item
    for item in (
        spec("calls", Level.SAMPLE, reads=["wes"]),
        spec("plates", Level.BATCH, reads=["elisa"]),
        spec("nrg1", Level.SAMPLE, upstream=["plates"]),
        spec("facts", Level.SAMPLE, upstream=["calls", "nrg1"]),
        spec("pairs", Level.PATIENT, upstream=["facts"]),
        spec("integrated", Level.COHORT, upstream=["facts", "pairs"]),
        spec("clinical", Level.COHORT, reads=["clinical"]),
        spec("panels", Level.COHORT, reads=["plasma"], roles=["panel_bed"]),
        spec("depth", Level.SAMPLE, reads=["plasma"]),
        spec("fragments", Level.SAMPLE, reads=["plasma"], roles=["bam", "panel_bed"]),
    )
}
PLATE = File("e1", "elisa", "plate", "batch", "", "", "P01")


class World:
    """A trial in which runs succeed at once and publish what they promise."""

    def __init__(self, *files: File) -> None:
        self.files = list(files)
        self.published: dict[tuple[str, str], str] = {}
        self.failed: dict[tuple[str, str], str] = {}
        self.plate_samples: list[tuple[str, str, str]] = []

    def runs(self) -> list:
        batches = {"plates": self.plate_samples if ("plates", "elisa-P01") in self.published else []}
        snapshot = Snapshot(FileIndex(self.files), self.published, self.failed, batches, {}, {})
        return runs_of(plan(SPECS, snapshot))

    def step(self) -> list[tuple[str, tuple[str, ...]]]:
        done = self.runs()
        for run in done:
            for product, version in zip(run.products, run.data_versions, strict=True):
                self.published[product, run.partition_key] = version
        return [(run.partition_key, run.products) for run in done]

    def settle(self) -> list[list[tuple[str, tuple[str, ...]]]]:
        passes = []
        while step := self.step():
            passes.append(step)
            assert len(passes) < 10
        return passes


def test_a_landed_file_runs_the_samples_chain_then_the_patient_then_the_cohort() -> None:
    assert World(File("a")).settle() == [
        [("P1|BL", ("calls", "facts"))],
        [("P1", ("pairs",))],
        [("", ("integrated",))],
    ]


def test_a_plate_leads_to_the_samples_on_it() -> None:
    world = World(PLATE)
    world.plate_samples = [("elisa-P01", "P1", "BL"), ("elisa-P01", "P2", "PD")]
    passes = world.settle()
    assert passes[0] == [("elisa-P01", ("plates",))]
    assert passes[1] == [("P1|BL", ("nrg1", "facts")), ("P2|PD", ("nrg1", "facts"))]


def test_a_corrected_file_makes_exactly_its_partition_and_what_depends_on_it_due() -> None:
    world = World(File("a"), File("b", timepoint="PD"), File("c", patient_id="P2"))
    world.settle()
    world.files[0] = File("a2")
    assert world.settle() == [[("P1|BL", ("calls", "facts"))], [("P1", ("pairs",))], [("", ("integrated",))]]


def test_nothing_is_due_twice() -> None:
    world = World(File("a"), PLATE, File("k", "clinical", "export", "cohort", "", ""))
    world.settle()
    assert world.runs() == []


def test_a_failed_partition_waits_for_other_inputs_and_stops_nobody() -> None:
    world = World(File("bad"), File("c", patient_id="P2"))
    run = next(run for run in world.runs() if run.partition_key == "P1|BL")
    world.failed["calls", "P1|BL"] = run.data_versions[0]
    passes = world.settle()
    assert ("P2|BL", ("calls", "facts")) in passes[0]
    assert not any(key == "P1|BL" for step in passes for key, _ in step)
    world.files[0] = File("corrected")
    assert world.step() == [("P1|BL", ("calls", "facts"))]


def test_a_germline_file_alone_makes_nothing_due_but_renews_every_timepoint() -> None:
    normal = File("n", role="normal", scope="patient")
    assert World(normal).runs() == []
    world = World(File("a"), File("b", timepoint="PD"))
    world.settle()
    world.files.append(normal)
    assert [key for key, _ in world.step()] == ["P1|BL", "P1|PD"]


PANEL = File("v1", "plasma", "panel_bed", "cohort", "", "", panel_version="v1")


def test_a_product_of_one_role_is_not_due_for_files_in_another() -> None:
    world = World(PANEL)
    assert world.settle() == [[("", ("panels",))]]
    world.files += [File("a", "plasma"), File("b", "plasma", "index")]
    assert world.settle() == [[("P1|BL", ("depth", "fragments"))]]
    world.files[-1] = File("b2", "plasma", "index")
    assert world.settle() == [[("P1|BL", ("depth",))]]
    world.files[0] = replace(PANEL, sha256="v1-corrected")
    assert sorted(world.step()) == [("", ("panels",)), ("P1|BL", ("depth", "fragments"))]


def test_a_new_panel_version_makes_no_plasma_of_an_old_one_due_and_a_corrected_old_one_does() -> None:
    old, new = (File(name, "plasma", patient_id=name, panel_version=name) for name in ("v1", "v2"))
    untold = File("x", "plasma", patient_id="untold")
    donor = replace(PANEL, sha256="d", role="bam", panel_version="v2")
    world = World(PANEL, old, untold)
    world.settle()
    world.files += [replace(PANEL, sha256="v2", panel_version="v2"), donor]
    assert {key for key, _ in world.step()} == {"", "untold|BL"}
    world.files.append(new)
    assert [key for key, _ in world.step()] == ["v2|BL"]
    world.files[0] = replace(PANEL, sha256="v1-corrected")
    assert {key for key, _ in world.step()} == {"", "v1|BL", "untold|BL"}


def test_donors_of_another_panel_version_make_no_call_due(monkeypatch: pytest.MonkeyPatch) -> None:
    of_donors = replace(spec("background", Level.COHORT, reads=["plasma"], roles=["donor"]), by_panel="sha256")
    judged = spec("judged", Level.SAMPLE, reads=["plasma"], roles=["bam"], upstream=["background"])
    products = {one.name: one for one in (of_donors, judged)}
    files = FileIndex([File("a", "plasma", panel_version="v1")])
    published = {("background", ""): "one"}

    def version(**slices: str) -> str:
        found = {("background", name): sha256 for name, sha256 in slices.items()}
        [due] = plan(products, Snapshot(files, published, {}, {}, {}, {}, slices=found))
        return due.data_version

    assert version(v1="a") == version(v1="a", v2="b") != version(v1="c")
    assert version() == version(v2="b") != version(v1="a")


def test_a_product_of_one_role_without_such_a_file_is_never_due() -> None:
    assert sorted(World(PANEL, File("b", "plasma", "index")).step()) == [("", ("panels",)), ("P1|BL", ("depth",))]
    assert World(File("a", "plasma")).settle() == [[("P1|BL", ("depth", "fragments"))]]


def test_a_new_code_version_makes_every_partition_due(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(File("a"), File("b", timepoint="PD"))
    world.settle()
    monkeypatch.setitem(SPECS, "calls", replace(SPECS["calls"], code_version="2"))
    assert world.step() == [("P1|BL", ("calls", "facts")), ("P1|PD", ("calls", "facts"))]


@settings(max_examples=60, deadline=None)
@given(
    arrivals=st.lists(
        st.builds(
            File,
            sha256=st.text("abc", min_size=1, max_size=2),
            patient_id=st.sampled_from(["P1", "P2"]),
            timepoint=st.sampled_from(["BL", "PD"]),
        ),
        max_size=8,
    ),
    cuts=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_files_in_any_order_and_any_groups_end_in_the_same_versions(arrivals: list[File], cuts: list[bool]) -> None:
    at_once = World(*sorted(arrivals, key=str))
    at_once.settle()
    in_parts = World()
    for file, settle in zip(arrivals, cuts, strict=False):
        in_parts.files.append(file)
        if settle:
            in_parts.settle()
    in_parts.settle()
    assert in_parts.published == at_once.published


def test_planning_ten_thousand_files_takes_seconds_not_minutes() -> None:
    import time

    files = [
        File(f"{patient}-{timepoint}-{number}", patient_id=f"P{patient}", timepoint=timepoint)
        for patient in range(625)
        for timepoint in ("BL", "W06", "W12", "PD")
        for number in range(4)
    ]
    world = World(*files)
    begin = time.process_time()
    runs = world.runs()
    assert len(runs) == 2500
    assert time.process_time() - begin < 2
