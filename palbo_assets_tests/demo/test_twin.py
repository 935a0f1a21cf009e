"""The twin: the same seed writes the same bytes, every planted fault is in the truth, no trial's files are mixed in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palbo_assets.demo import clinical, course, ctdna, elisa, facs, rnaseq, slides, wes
from palbo_assets.demo.genome import build_genome
from palbo_assets.demo.truth import PatientTruth, SampleTruth, WrittenFile
from palbo_assets.demo.twin import Fault, write_twin
from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.store import file_sha256


def written(folder: Path, seed: int) -> dict[str, str]:
    """SHA-256 of what some small writers write for the second scripted patient."""
    rng = np.random.default_rng(seed)
    genome = build_genome(folder / "reference", seed)
    people = course.patients(course.SCRIPTED, genome, rng, facs.HEALTHY_PCT_PARENT)
    patient = people[1]
    sample = patient.samples["PD"]
    clinical.write(people, folder / "clinical", rng)
    rnaseq.write(sample, folder / "rna", rng)
    (folder / "elisa").mkdir()
    elisa.write_plate([sample], folder / "elisa", rng, plate_id="P")
    panel = ctdna.write_panel(genome, folder / "plasma")
    ctdna.write(sample, patient, genome, folder / "plasma" / panel.file, folder / "plasma", rng, unique_depth=20)
    (folder / "blood").mkdir()
    facs.write(sample, folder / "blood", rng)
    (folder / "truth").write_text(repr(people))
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_writes_the_same_bytes_and_another_seed_other_data(tmp_path: Path) -> None:
    one, again, other = (written(tmp_path / name, seed) for name, seed in (("a", 7), ("b", 7), ("c", 8)))
    assert one == again
    same = {name for name in one if one[name] == other.get(name)}
    data = {name for name in one if Path(name).suffix in (".bam", ".sf", ".fcs", ".fa") or name.endswith("DATA.csv")}
    assert len(data) == 5
    assert same & data == set()
    assert "truth" not in same


def _placeholder(folder: Path, name: str, modality: str, role: str, truth: SampleTruth) -> list[WrittenFile]:
    content = hashlib.sha256(name.encode()).hexdigest()
    (folder / name).write_text(content)
    return [WrittenFile(name, modality, role, truth.patient_id, truth.timepoint, f"{truth.patient_id}-S")]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An installation for a twin whose large files (exomes, plasma, slides) are placeholders."""

    def exome(truth: SampleTruth, _: PatientTruth, __: Any, folder: Path, *___: Any, **____: Any) -> list[WrittenFile]:
        return _placeholder(folder, f"{truth.patient_id}-{truth.timepoint}.bam", "wes", "tumour_bam", truth)

    def plasma(truth: SampleTruth, *rest: Any, **_: Any) -> list[WrittenFile]:
        folder = next(each for each in reversed(rest) if isinstance(each, Path))
        return _placeholder(folder, f"{truth.patient_id}-{truth.timepoint}-P.bam", "ctdna", "consensus_bam", truth)

    def slide(truth: SampleTruth, folder: Path, **_: Any) -> list[WrittenFile]:
        return _placeholder(folder, f"{truth.patient_id}-{truth.timepoint}.tiff", "he_slide", "slide", truth)

    def on_hg19(truth: SampleTruth, _: PatientTruth, __: Any, folder: Path, **___: Any) -> WrittenFile:
        return _placeholder(folder, f"{truth.patient_id}-{truth.timepoint}-hg19.bam", "wes", "tumour_bam", truth)[0]

    monkeypatch.setattr(wes, "write", exome)
    monkeypatch.setattr(wes, "write_on_hg19", on_hg19)
    monkeypatch.setattr(ctdna, "write", plasma)
    monkeypatch.setattr(slides, "write", slide)
    yield Home.at(tmp_path / "home")


def snapshot(home: Home) -> dict[str, tuple[int, int]]:
    found = [path for path in home.root.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in found}


def test_the_truth_names_every_fault_with_its_file_and_its_code(home: Home) -> None:
    twin = write_twin(home)
    truth = json.loads(twin.truth_file.read_text(encoding="utf-8"))
    faults = [Fault(**row) for row in truth["faults"]]
    assert sorted((fault.name, fault.code, fault.caught_by) for fault in faults) == [
        ("CP949 table", "ACCEPTED", "receipt"),
        ("blank-only plate", "E_NO_STANDARDS", "receipt"),
        ("corrected file", "W_SUPERSEDED", "receipt"),
        ("duplicate", "W_DUPLICATE", "receipt"),
        ("hg19 file", "E_BUILD_MISMATCH", "receipt"),
        ("swapped pair", "E_IDENTITY_MISMATCH", "sample_identity"),
        ("swapped pair", "E_IDENTITY_MISMATCH", "sample_identity"),
        ("truncated BAM", "E_TRUNCATED", "receipt"),
        ("unstained FCS", "E_UNSTAINED", "receipt"),
        ("withdrawn patient", "E_CONSENT", "receipt"),
    ]
    for fault in faults:
        assert fault.file or fault.patient_id, fault.name
        if fault.file:
            assert list(home.landing.glob(f"*/*/{fault.file}")), fault.file
    assert len(truth["patients_truth"]) == 12


def test_the_truth_lies_apart_from_what_the_landing_sees(home: Home) -> None:
    write_twin(home)
    assert not [path for path in home.landing.rglob("*") if "truth" in path.name]
    assert not (home.root / "demo-scratch").exists()


def test_every_file_is_in_one_manifest_row_with_its_checksum(home: Home) -> None:
    import csv

    twin = write_twin(home)
    listed = {}
    for manifest in home.landing.rglob("delivery.csv"):
        for row in csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()):
            listed[manifest.parent / row["file"]] = row["sha256"]
    assert len(listed) == twin.n_files
    assert {path: file_sha256(path) for path in listed} == listed


def test_a_second_demo_finds_the_first_and_writes_nothing(home: Home) -> None:
    first = write_twin(home)
    before = snapshot(home)
    assert write_twin(home) == first
    assert snapshot(home) == before
    for wanted in ({"seed": 8}, {"patients": 13}):
        with pytest.raises(PalboError, match=r"E_DEMO: .*already holds a twin of 12 patients, seed 7"):
            write_twin(home, **wanted)
    assert snapshot(home) == before


def test_further_patients_carry_nothing_that_is_tested_by_name(home: Home) -> None:
    write_twin(home, patients=14)
    truth = json.loads((home.root / "truth.json").read_text(encoding="utf-8"))
    assert len(truth["patients_truth"]) == 14
    assert set(truth["transitions"]) <= {course.patient_id(number) for number in range(1, course.SCRIPTED + 1)}


def test_too_few_patients_or_a_trials_files_are_refused_before_anything_is_written(home: Home) -> None:
    with pytest.raises(PalboError, match=r"E_DEMO.*at least 12"):
        write_twin(home, patients=11)
    assert not home.root.exists()
    home.create()
    (home.landing / "lab").mkdir()
    with pytest.raises(PalboError, match=r"E_DEMO.*already holds files"):
        write_twin(home)
    assert not list(home.reference.glob("*"))
