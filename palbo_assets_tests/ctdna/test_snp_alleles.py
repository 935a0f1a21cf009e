"""Whose a plasma is, and how much of it is somebody else's, from raw UMI reads as from consensus reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.snp_alleles import of_consensus_reads, of_raw_reads
from palbo_assets.ctdna.umi import find_umi
from palbo_assets.demo import ctdna as twin
from palbo_assets.genomics.alleles import Variant
from palbo_assets.genomics.identity_snps import read_snps
from palbo_assets.genomics.regions import reference
from palbo_assets.study.snp_counts import snp_rows
from palbo_assets.wes.contamination import plasma_rows
from palbo_assets.wes.settings import Settings as ExomeSettings
from palbo_assets_tests.ctdna.conftest import Plasma

SETTINGS = Settings()


@pytest.fixture(scope="module")
def bed(plasma: Plasma, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A panel that holds the identity SNPs too, as a panel does that is to tell people apart."""
    path = tmp_path_factory.mktemp("panel") / "panel_with_snps.bed"
    tiles = [f"{snp.chrom}\t{snp.pos - 30}\t{snp.pos - 10}\tSNP\t\tv1\tidentity\n" for snp in plasma.genome.snps]
    path.write_text(plasma.bed.read_text(encoding="utf-8") + "".join(tiles), encoding="utf-8")
    return path


Write = Callable[[float, bool], Path]


@pytest.fixture(scope="module")
def written(plasma: Plasma, bed: Path, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """(share, raw) -> the plasma with that share of another person's DNA, each SNP at the mean of both persons."""
    folder = tmp_path_factory.mktemp("plasmas")

    @cache
    def write(share: float, raw: bool) -> Path:
        other = np.random.default_rng(31).binomial(2, 0.5, len(plasma.genome.snps))
        mixed = (1 - share) * np.array(plasma.patient.genotypes) + share * other
        patient = replace(plasma.patient, genotypes=tuple(mixed.tolist()))
        place = folder / f"{share}-{raw}"
        place.mkdir()
        (file,) = twin.write(
            plasma.truth, patient, plasma.genome, bed, place, np.random.default_rng(9), unique_depth=300,
            raw_family=3 if raw else None,
        )  # fmt: skip
        return place / file.file

    return write


def seen_in(plasma: Plasma, bam: Path, *, raw: bool) -> dict[Variant, tuple[int, int]]:
    snps = read_snps(plasma.genome.snp_bed)
    if raw:
        return of_raw_reads(bam, find_umi(bam), snps, SETTINGS)
    with reference(plasma.genome.fasta) as fetch:
        return of_consensus_reads(bam, snps, fetch, SETTINGS)


def rows_of(plasma: Plasma, seen: dict[Variant, tuple[int, int]], **who: str) -> pd.DataFrame:
    keys = {"patient_id": "PALBO-001", "timepoint": "PD", "specimen_id": "P1", "source": "plasma", **who}
    snps = read_snps(plasma.genome.snp_bed)
    rows = pd.DataFrame(snp_rows(keys, snps, [None] * len(snps), seen)).astype({"frequency": "Float64"})
    return rows[rows["depth"] > 0]


def blood(plasma: Plasma) -> pd.DataFrame:
    """The patient's blood at 200 fragments a SNP, without an error."""
    snps = read_snps(plasma.genome.snp_bed)
    seen = {snp: (100 * (2 - one), 100 * one) for snp, one in zip(snps, plasma.patient.genotypes, strict=True)}
    return rows_of(plasma, seen, specimen_id="N1", source="blood", timepoint="BL")


@pytest.mark.parametrize("raw", [True, False], ids=["raw reads", "consensus reads"])
def test_a_plasma_shows_its_patients_genotypes_beside_the_targets_too(
    plasma: Plasma, written: Write, raw: bool
) -> None:
    seen = seen_in(plasma, written(0.0, raw), raw=raw)
    snps = read_snps(plasma.genome.snp_bed)
    deep = [(snp, genotype) for snp, genotype in zip(snps, plasma.patient.genotypes, strict=True)
            if sum(seen.get(snp, (0, 0))) >= 50]  # fmt: skip
    assert len(deep) == len(snps)  # every tile ends ten bases before its SNP
    for snp, genotype in deep:
        ref, alt = seen[snp]
        assert alt / (ref + alt) == pytest.approx(genotype / 2, abs=0.12 if genotype == 1 else 0.01), snp


@pytest.mark.parametrize("raw", [True, False], ids=["raw reads", "consensus reads"])
@pytest.mark.parametrize(("planted", "told"), [(0.0, "pass"), (0.02, "warn"), (0.06, "fail")])
def test_another_persons_dna_is_measured_before_consensus_as_after_it(
    plasma: Plasma, written: Write, planted: float, told: str, raw: bool
) -> None:
    seen = seen_in(plasma, written(planted, raw), raw=raw)
    [row] = plasma_rows(rows_of(plasma, seen), blood(plasma), ExomeSettings())
    assert (row["verdict"], row["reason"]) == (told, "")
    assert row["contamination"] == pytest.approx(planted, abs=0.001 + 0.1 * planted)
    assert row["contamination_high"] - row["contamination_low"] < 0.02


def test_the_plasma_of_another_person_is_said_to_be_one(plasma: Plasma, written: Write) -> None:
    seen = seen_in(plasma, written(1.0, True), raw=True)
    [row] = plasma_rows(rows_of(plasma, seen), blood(plasma), ExomeSettings())
    assert (row["verdict"], row["reason"]) == (None, "E_IDENTITY_MISMATCH")


def test_a_snp_on_a_contig_that_the_file_lacks_is_not_counted(plasma: Plasma, written: Write) -> None:
    bam = written(0.0, True)
    elsewhere = Variant("chrZ", 500, "A", "G")
    seen = of_raw_reads(bam, find_umi(bam), [elsewhere, *read_snps(plasma.genome.snp_bed)], SETTINGS)
    assert elsewhere not in seen and sum(map(sum, seen.values())) > 10_000
