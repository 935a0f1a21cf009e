"""Whose samples they are: origins and residual disease rest on the patient's own white cells and tumours alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest

import palbo_assets.definitions  # noqa: F401  declares the tables of other rooms that this one reads
from palbo_assets.ctdna.assets import ctdna_origins, ctdna_residual_disease
from palbo_assets.ctdna.molecule_table import frame_of
from palbo_assets.ctdna.molecules import MoleculeCounts
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import CTDNA_BACKGROUND, CTDNA_CALLS, CTDNA_FITNESS, CTDNA_QC, CTDNA_WET_LAB
from palbo_assets.platform.tables import empty_frame, frame_from_rows
from palbo_assets.wes.tables import IDENTITY_FAILURES, SAMPLE_IDENTITY, SOMATIC_CALLS
from palbo_assets_tests.ctdna.conftest import Plasma

KEYS = {"patient_id": "PALBO-001", "timepoint": "PD"}
TISSUE, BLOOD = ("PIK3CA", "p.H1047R"), ("ESR1", "p.D538G")
SECOND = ("RB1", "p.R320*")
PLASMA, TUMOUR, WHITE = "P1", "T1", "N1"
WHITE_DEPTH, WHITE_SHARE = 400, 0.1


def variant(plasma: Plasma, named: tuple[str, str]) -> tuple[str, int, str, str]:
    chrom, pos, ref, alt, _ = plasma.genome.mutation(*named)
    return chrom, pos, ref, alt


@pytest.fixture(scope="module")
def white_cells(plasma: Plasma, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exome of white cells: a clone carries `BLOOD` in every tenth fragment, nothing carries the tumour's."""
    path = tmp_path_factory.mktemp("blood") / "white.bam"
    contigs = plasma.genome.contigs
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": name, "LN": length} for name, length in contigs.items()],
    }
    places = sorted(
        (variant(plasma, one) for one in (TISSUE, BLOOD, SECOND)), key=lambda one: (list(contigs).index(one[0]), one[1])
    )
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for chrom, pos, ref, alt in places:
            start = pos - 51
            bases = plasma.genome.sequence(chrom)[start : start + 100]
            for number in range(WHITE_DEPTH):
                carries = (chrom, pos, ref, alt) == variant(plasma, BLOOD) and number < WHITE_SHARE * WHITE_DEPTH
                read = pysam.AlignedSegment(file.header)
                read.query_name, read.flag, read.reference_name = f"{chrom}{pos}n{number}", 16 * (number % 2), chrom
                read.reference_start, read.mapping_quality, read.cigarstring = start, 60, "100M"
                read.query_sequence = bases[:50] + alt + bases[51:] if carries else bases
                read.query_qualities = np.full(100, 37, dtype=np.uint8)
                file.write(read)
    return path


def body(asset: Any) -> Any:
    """The step's own function, without what Dagster puts around it."""
    return asset.op.compute_fn.decorated_fn.__wrapped__


def step(plasma: Plasma, tmp_path: Path, *files: Any) -> Any:
    return SimpleNamespace(
        files=lambda *roles: [file for file in files if file.role in roles],
        settings=Settings(),
        references=SimpleNamespace(get=lambda name: plasma.genome.fasta if name == "genome_fasta" else None),
        workdir=tmp_path,
        report=lambda **metadata: None,
    )


def called(plasma: Plasma, counts: MoleculeCounts) -> pd.DataFrame:
    rows = []
    for named in (TISSUE, BLOOD, SECOND):
        chrom, pos, ref, alt = variant(plasma, named)
        seen = counts.evidence(chrom, pos, ref, alt)
        assert seen is not None
        rows.append(
            {
                **KEYS, "specimen_id": PLASMA, "chrom": chrom, "pos": pos, "ref": ref, "alt": alt, "gene": named[0],
                "hgvsp_short": named[1], "state": "PRESENT", "filter": "PASS", "tracked": True, "chip_gene": False,
                "unique_depth": seen.depth, "alt_molecules": seen.alt, "vaf": seen.alt / seen.depth,
                "excluded_vaf": 0.005,
            }
        )  # fmt: skip
    return frame_from_rows(CTDNA_CALLS, rows)


def tissue(plasma: Plasma) -> pd.DataFrame:
    """Exome calls: the tumour's two variants, and the clone of blood cells that tissue carries along."""
    rows = []
    for named in (TISSUE, BLOOD, SECOND):
        chrom, pos, ref, alt = variant(plasma, named)
        rows.append(
            {**KEYS, "specimen_id": TUMOUR, "chrom": chrom, "pos": pos, "ref": ref, "alt": alt, "gene": named[0],
             "filter": "PASS", "forced": False, "t_vaf": 0.3}
        )  # fmt: skip
    return frame_from_rows(SOMATIC_CALLS, rows)


def failed(*specimens: tuple[str, str]) -> pd.DataFrame:
    rows = [{**KEYS, "specimen_id": name, "source": source, "verdict": "swap"} for name, source in specimens]
    return frame_from_rows(IDENTITY_FAILURES, rows)


def origins(
    plasma: Plasma,
    counts: MoleculeCounts,
    white: Path,
    tmp_path: Path,
    failures: pd.DataFrame,
    fit: pd.DataFrame | None = None,
    variants: pd.DataFrame | None = None,
) -> pd.DataFrame:
    bed = SimpleNamespace(role="normal_bam", path=white, sha256="w", specimen_id=WHITE)
    return body(ctdna_origins)(
        step(plasma, tmp_path, bed), called(plasma, counts), tissue(plasma) if variants is None else variants,
        empty_frame(SAMPLE_IDENTITY), failures,
        empty_frame(CTDNA_FITNESS) if fit is None else fit,
    )  # fmt: skip


def test_white_cells_tell_a_clone_of_blood_from_the_tumour(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    rows = origins(plasma, plasma_counts, white_cells, tmp_path, failed()).set_index("gene")
    assert rows["origin"].to_dict() == {"PIK3CA": "TUMOUR", "ESR1": "CHIP", "RB1": "TUMOUR"}
    assert rows.loc["ESR1", "white_vaf"] == pytest.approx(WHITE_SHARE)
    assert rows.loc["PIK3CA", "white_alt"] == 0 and rows.loc["PIK3CA", "white_depth"] == WHITE_DEPTH


def test_a_plasma_that_is_not_the_patients_has_no_origins_and_says_why(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    rows = origins(plasma, plasma_counts, white_cells, tmp_path, failed((PLASMA, "plasma")))
    assert set(rows["origin"]) == {"UNRESOLVED"} and set(rows["reason"]) == {"E_IDENTITY_MISMATCH"}
    assert rows["white_depth"].isna().all()


def test_blood_or_a_tumour_of_somebody_else_is_no_witness(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    """Without the blood nothing shows the clone; without the tumour nothing says that ESR1 is somatic."""
    bloodless = origins(plasma, plasma_counts, white_cells, tmp_path, failed((WHITE, "blood")))
    assert set(bloodless["reason"]) == {"called_in_tissue"} and bloodless["white_depth"].isna().all()
    neither = origins(plasma, plasma_counts, white_cells, tmp_path, failed((WHITE, "blood"), (TUMOUR, "tumour")))
    assert set(neither["origin"]) == {"UNRESOLVED"} and set(neither["reason"]) == {"no_white_cells"}


def residual(
    plasma: Plasma,
    counts: MoleculeCounts,
    white: Path,
    tmp_path: Path,
    failures: pd.DataFrame,
    unlike: pd.DataFrame,
    fit: pd.DataFrame | None = None,
) -> Any:
    bed = SimpleNamespace(role="panel_bed", path=plasma.bed, panel_version="v1", sha256="b")
    keys = {**KEYS, "specimen_id": PLASMA}
    [row] = body(ctdna_residual_disease)(
        step(plasma, tmp_path, bed),
        frame_of("v1", counts, None).assign(**keys),
        frame_from_rows(CTDNA_QC, [{**keys, "verdict": "pass", "status": "OBSERVED"}]),
        empty_frame(CTDNA_WET_LAB),
        empty_frame(CTDNA_BACKGROUND),
        origins(plasma, counts, white, tmp_path, failures),
        tissue(plasma),
        unlike,
        failures,
        empty_frame(CTDNA_FITNESS) if fit is None else fit,
    ).to_dict("records")
    return row


def test_residual_disease_is_tested_on_the_tumours_variants_without_bloods(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    row = residual(plasma, plasma_counts, white_cells, tmp_path, failed(), empty_frame(SAMPLE_IDENTITY))
    assert (row["state"], row["n_tracked"], row["n_sites"]) == ("PRESENT", 2, 2)
    assert row["tumour_fraction_low"] < 0.06 < row["tumour_fraction_high"]  # planted 0.05 and 0.01, half each


def test_residual_disease_of_a_swapped_plasma_or_tumour_is_blocked_with_the_reason(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    unlike = frame_from_rows(SAMPLE_IDENTITY, [{**KEYS, "specimen_id": TUMOUR, "verdict": "mismatch"}])
    nothing = empty_frame(SAMPLE_IDENTITY)
    for failures, mismatch in (
        (failed((PLASMA, "plasma")), nothing),
        (failed((TUMOUR, "tumour")), nothing),
        (failed(), unlike),
    ):
        row = residual(plasma, plasma_counts, white_cells, tmp_path, failures, mismatch)
        assert (row["state"], row["reason"]) == ("NOT_EVALUABLE", "E_IDENTITY_MISMATCH")
        assert pd.isna(row["p_value"])


def fit(verdict: str, explained: float) -> pd.DataFrame:
    row = {
        **KEYS,
        "specimen_id": PLASMA,
        "verdict": verdict,
        "explained_vaf": explained,
        "reasons": "foreign_dna",
        "hopped_alleles": None,
    }
    return frame_from_rows(CTDNA_FITNESS, [{**row, "foreign_dna": explained, "not_checked": ""}])


def test_an_allele_that_another_persons_dna_explains_is_not_the_tumours_though_white_cells_lack_it(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    """PIK3CA at 5 % stands for a SNP of a person whose DNA makes 8 %: nothing but the share tells it apart."""
    known = tissue(plasma)
    known = known[known["gene"] == "ESR1"]

    def said(share: float, variants: pd.DataFrame) -> dict[str, tuple[str, str]]:
        rows = origins(plasma, plasma_counts, white_cells, tmp_path, failed(), fit("warn", share), variants)
        return {row["gene"]: (row["origin"], row["reason"]) for row in rows.to_dict("records")}

    assert said(0.022, known)["PIK3CA"][0] == "TUMOUR"  # 5 % is more than it explains
    doubted = said(0.08, known)
    assert doubted["PIK3CA"] == doubted["RB1"] == ("UNRESOLVED", "foreign_dna") and doubted["ESR1"][0] == "CHIP"
    assert said(0.08, tissue(plasma))["PIK3CA"][0] == "TUMOUR"  # the patient's own tumour has it


def test_residual_disease_of_a_plasma_full_of_another_persons_dna_is_blocked(
    plasma: Plasma, plasma_counts: MoleculeCounts, white_cells: Path, tmp_path: Path
) -> None:
    nothing = empty_frame(SAMPLE_IDENTITY)
    row = residual(plasma, plasma_counts, white_cells, tmp_path, failed(), nothing, fit("fail", 0.06))
    assert (row["state"], row["reason"]) == ("NOT_EVALUABLE", "sample_unfit") and pd.isna(row["tumour_fraction"])
    row = residual(plasma, plasma_counts, white_cells, tmp_path, failed(), nothing, fit("warn", 0.02))
    assert row["state"] == "PRESENT"  # the tissue's own variants aren't another person's SNPs
