"""Copies of another library's molecules: planted into a plasma, found one by one, and taken from its calls."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest

import palbo_assets.definitions  # noqa: F401  declares the tables of other rooms that this one reads
from palbo_assets.ctdna.assets import ctdna_index_hopping
from palbo_assets.ctdna.fitness import HOPPING, fitness
from palbo_assets.ctdna.index_hopping import Carriers, Molecule, barcode_of, copies, unique_dual_indexes
from palbo_assets.ctdna.molecules import MoleculeCounts, fasta_reference
from palbo_assets.ctdna.panel import read_panel
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import CTDNA_INDEX_HOPPING
from palbo_assets.ctdna.umi import UmiPlace, UmiSource
from palbo_assets.ctdna.umi_consensus import consensus_molecules
from palbo_assets.demo import ctdna as twin
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.plasma_fitness import INDEX_HOPPING, without_alleles_of_others
from palbo_assets.platform.tables import validate
from palbo_assets.study.vocabulary import CallState
from palbo_assets_tests.ctdna.conftest import Plasma, truth_of
from palbo_assets_tests.ctdna.test_identity import body

# Single reads vote here: only then can copies, whose families are small, be called at all.
SETTINGS = Settings(min_family_size=1, min_strand_size=1, hopping_largest_vaf=0.2)
KRAS, ESR1, PIK3CA = ("KRAS", "p.G12D"), ("ESR1", "p.V422del"), ("PIK3CA", "p.H1047R")
SHARE = 0.02  # of the lender's read pairs that were given to the other library


@pytest.fixture(scope="module")
def run(plasma: Plasma, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two raw libraries of one run. The lender holds KRAS and an ESR1 deletion at 50 % and PIK3CA at 30 %; of the other
    one's own there is PIK3CA at 2 %, and 2 % of the lender's pairs were given to it as well."""
    folder = tmp_path_factory.mktemp("run")
    fractions = {"lender": {KRAS: 0.5, ESR1: 0.5, PIK3CA: 0.3}, "borrower": {PIK3CA: 0.02}}
    bams = {}
    for seed, (name, planted) in enumerate(fractions.items()):
        truth, patient = truth_of(plasma.genome, planted)
        (file,) = twin.write(
            replace(truth, patient_id=f"PALBO-00{seed + 1}"), patient, plasma.genome, plasma.bed, folder,
            np.random.default_rng(seed), unique_depth=350, raw_family=7,
        )  # fmt: skip
        bams[name] = folder / file.file
    return {**bams, "pooled": _lend(bams["lender"], bams["borrower"], folder / "pooled.bam", np.random.default_rng(7))}


def _lend(lender: Path, borrower: Path, path: Path, rng: np.random.Generator) -> Path:
    unsorted = path.with_suffix(".unsorted.bam")
    with pysam.AlignmentFile(str(lender)) as one, pysam.AlignmentFile(str(borrower)) as other:
        names = sorted({read.query_name for read in one.fetch(until_eof=True)}, key=str)
        lent = set(rng.choice(names, size=round(SHARE * len(names)), replace=False))
        one.reset()
        with pysam.AlignmentFile(str(unsorted), "wb", template=other) as both:
            for read in other.fetch(until_eof=True):
                both.write(read)
            for read in one.fetch(until_eof=True):
                if read.query_name in lent:
                    both.write(read)
    pysam.sort("-o", str(path), str(unsorted))  # type: ignore[attr-defined]
    unsorted.unlink()
    return path


def _alleles(plasma: Plasma) -> dict[tuple[str, str], Variant]:
    return {key: Variant(*plasma.genome.mutation(*key)[:4]) for key in (KRAS, ESR1, PIK3CA)}


@cache
def _counts(bam: Path, fasta: Path, bed: Path) -> MoleculeCounts:
    return consensus_molecules(bam, UmiSource(UmiPlace.TAG), read_panel(bed, "v1"), fasta_reference(fasta), SETTINGS)[0]


def _call(patient: str, variant: Variant, bam: Path, plasma: Plasma) -> dict[str, Any]:
    seen = _counts(bam, plasma.genome.fasta, plasma.bed).evidence(*variant)
    assert seen is not None
    return {
        "patient_id": patient, "timepoint": "PD", "specimen_id": f"{patient}-PD-P1", **variant._asdict(),
        "alt_molecules": seen.alt, "unique_depth": seen.depth, "vaf": seen.alt / seen.depth, "critical_molecules": 3,
        "state": str(CallState.PRESENT if seen.alt >= 3 else CallState.ABSENT), "filter": "PASS",
    }  # fmt: skip


def _asked(
    plasma: Plasma, bams: dict[str, Path], folder: Path, runs: dict[str, str], called: dict[str, Path] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The product over plasmas ``patient -> BAM``, and the calls: of the same BAMs, else of ``called``."""
    files = [
        SimpleNamespace(
            role="raw_umi_bam", path=path, sha256=patient, specimen_id=f"{patient}-PD-P1", panel_version="v1",
            patient_id=patient, timepoint="PD", facts={},
        )
        for patient, path in bams.items()
    ]  # fmt: skip
    bed = SimpleNamespace(role="panel_bed", path=plasma.bed, panel_version="v1", sha256="b")
    step = SimpleNamespace(
        files=lambda *roles: [file for file in [bed, *files] if file.role in roles], settings=SETTINGS,
        references=SimpleNamespace(get=lambda name: plasma.genome.fasta if name == "genome_fasta" else None),
        workdir=folder / "work", report=lambda **metadata: None,
    )  # fmt: skip
    calls = pd.DataFrame(
        [
            _call(patient, one, path, plasma)
            for patient, path in (called or bams).items()
            for one in _alleles(plasma).values()
        ]
    )
    of_run = pd.DataFrame(
        [{"specimen_id": file.specimen_id, "sequencing_run": runs[file.patient_id]} for file in files]
    )
    none = pd.DataFrame(
        columns=["bam_sha256", "sequencing_run", "alt_molecules", "chrom", "pos", "ref", "alt"], dtype=object
    )
    found: pd.DataFrame = body(ctdna_index_hopping)(step, calls, of_run, none)
    validate(CTDNA_INDEX_HOPPING, found)
    return found, calls


def test_copies_of_the_runs_other_library_are_found_and_its_own_molecules_stand(
    plasma: Plasma, run: dict[str, Path], tmp_path: Path
) -> None:
    found, calls = _asked(plasma, {"A": run["lender"], "B": run["pooled"]}, tmp_path, {"A": "F1", "B": "F1"})
    assert set(found["patient_id"]) == {"B"}  # the lender has nothing of anybody
    by_name = {key: found[found["pos"] == variant.pos].iloc[0] for key, variant in _alleles(plasma).items()}
    for lent in (KRAS, ESR1):
        row = by_name[lent]
        assert row["verdict"] == "explained" and row["copies"] >= 0.9 * row["compared"] >= 3  # the others are errors
    own = by_name[PIK3CA]
    assert own["verdict"] == "stands"
    alone, _ = _asked(plasma, {"A": run["lender"], "B": run["borrower"]}, tmp_path, {"A": "F1", "B": "F1"})
    assert own["compared"] - own["copies"] == pytest.approx(alone["compared"].iloc[0], abs=1)
    assert (found["copies_by_chance"] < 0.1).all()

    judged = fitness(None, None, {"sequencing_run": "F1", "verdict": None}, SETTINGS, found.to_dict("records"))
    assert judged["verdict"] == "warn" and judged["reasons"] == HOPPING and HOPPING not in judged["not_checked"]
    table = pd.DataFrame([{**judged, "specimen_id": "B-PD-P1"}])
    left = without_alleles_of_others(calls, table, {tuple(_alleles(plasma)[KRAS])})
    of_b = left[left["specimen_id"] == "B-PD-P1"].set_index("pos")
    for key, variant in _alleles(plasma).items():
        row = of_b.loc[variant.pos]
        expected = ("PRESENT", "PASS") if key == PIK3CA else ("NOT_EVALUABLE", INDEX_HOPPING)
        assert (row["state"], row["filter"]) == expected and row["alt_molecules"] >= 3
    assert set(left.loc[left["specimen_id"] == "A-PD-P1", "state"]) == {"PRESENT"}


def test_the_same_alleles_of_another_run_or_of_other_molecules_are_nobodys_copies(
    plasma: Plasma, run: dict[str, Path], tmp_path: Path
) -> None:
    elsewhere, _ = _asked(plasma, {"A": run["lender"], "B": run["pooled"]}, tmp_path, {"A": "F1", "B": "F2"})
    unknown, _ = _asked(plasma, {"A": run["lender"], "B": run["pooled"]}, tmp_path, {"A": "", "B": ""})
    assert elsewhere.empty and unknown.empty
    own, _ = _asked(plasma, {"A": run["lender"], "B": run["borrower"]}, tmp_path, {"A": "F1", "B": "F1"})
    assert own["copies"].tolist() == [0] and own["verdict"].tolist() == ["stands"]


def test_a_library_without_barcodes_or_that_breaks_off_is_not_judged(
    plasma: Plasma, run: dict[str, Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.bam"
    cut.write_bytes(run["lender"].read_bytes()[:-4000])
    bare = tmp_path / "bare.bam"
    with pysam.AlignmentFile(str(run["pooled"])) as source, pysam.AlignmentFile(str(bare), "wb", template=source) as to:
        for number, read in enumerate(source.fetch(until_eof=True)):
            if number:  # the first read tells where barcodes are
                read.set_tag("RX", None)
            to.write(read)
    known = {"A": run["lender"], "B": run["pooled"]}
    for broken, reason in (({"A": cut}, "unreadable"), ({"B": bare}, "no_umi")):
        found, _ = _asked(plasma, {**known, **broken}, tmp_path, dict.fromkeys(known, "F1"), called=known)
        assert set(found["reason"]) == {reason} and found["verdict"].isna().all()
        judged = fitness(None, None, {"sequencing_run": "F1"}, SETTINGS, _records(found))
        assert HOPPING in judged["not_checked"] and judged["hopped_alleles"] is None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


@pytest.mark.parametrize("seed", range(5))
def test_molecules_that_share_ends_and_a_short_barcode_by_chance_are_no_copies(seed: int) -> None:
    """Barcodes of three bases and many shared ends: coincidences are as many as expected, and not believed."""
    rng = np.random.default_rng(seed)

    def library(molecules: int, size: int) -> Carriers:
        starts, umis = rng.integers(0, 15, molecules), rng.choice(list("ACGT"), (molecules, 3))
        return Carriers({Molecule(int(s), int(s) + 160, "".join(u)): size for s, u in zip(starts, umis, strict=True)})

    found = copies(library(40, 4), [library(300, 12)], SETTINGS)
    assert found.copies > 0 and found.p_value > SETTINGS.hopping_alpha
    assert found.copies == pytest.approx(found.by_chance, abs=4 * found.by_chance**0.5 + 1)


def test_a_copy_is_the_smaller_family() -> None:
    one, other = Molecule(10, 170, "ACG-TTA"), Molecule(20, 180, "CCG-TAA")
    mine = Carriers({one: 2, other: 9})
    assert copies(mine, [Carriers({one: 9, other: 2})], SETTINGS).copies == 1
    assert copies(mine, [Carriers({one: 3})], SETTINGS).copies == 0
    assert copies(mine, [Carriers({one: 9})], Settings(min_family_size=3)).copies == 0  # it has no vote anyway


def test_a_library_is_uniquely_indexed_where_neither_index_is_anothers(tmp_path: Path) -> None:
    stated = {"a": "ACGT-TTGA", "b": "ACGT-CCAA", "c": "GGTT-AATT", "d": "", "e": "CATG"}
    assert unique_dual_indexes(stated) == {"a": False, "b": False, "c": True, "d": None, "e": None}
    path = tmp_path / "one.bam"
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "chr1", "LN": 100}], "RG": [{"ID": "A", "PU": "F1.2.ACGT+TTGA"}]}
    pysam.AlignmentFile(str(path), "wb", header=header).close()
    assert barcode_of(path) == "ACGT-TTGA"
