"""Fixtures of the plasma room: the twin's panel and one rendered plasma, and the real consensus BAMs."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.ctdna.calling import TRACKED_COLUMNS, read_tracked_sites
from palbo_assets.ctdna.molecules import MoleculeCounts, count_molecules, fasta_reference
from palbo_assets.ctdna.panel import Panel, Target, read_panel
from palbo_assets.ctdna.settings import Settings
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo.genome import MiniGenome, build_genome
from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth, WrittenFile

PLANTED = {
    ("PIK3CA", "p.H1047R"): 0.05,
    ("ESR1", "p.D538G"): 0.012,
    ("ESR1", "p.V422del"): 0.02,
    ("RB1", "p.E137fs"): 0.015,
    ("RB1", "p.R320*"): 0.01,
    ("FAT1", "p.R250*"): 0.03,  # off the panel
    ("KRAS", "p.G12D"): 0.0,  # in the tumour, not shed
}


@dataclass(frozen=True)
class Plasma:
    """A rendered plasma with what was planted."""

    folder: Path
    genome: MiniGenome
    truth: SampleTruth
    patient: PatientTruth
    file: WrittenFile
    bed: Path
    panel: Panel
    tracked: pd.DataFrame

    @property
    def bam(self) -> Path:
        return self.folder / self.file.file

    @property
    def background(self) -> Path:
        return self.folder / "ctdna_background.tsv"


def truth_of(genome: MiniGenome, fractions: dict[tuple[str, str], float]) -> tuple[SampleTruth, PatientTruth]:
    mutations = []
    for (gene, change), fraction in fractions.items():
        chrom, pos, ref, alt, kind = genome.mutation(gene, change)
        mutations.append(PlantedMutation(gene, chrom, pos, ref, alt, change, kind, 1.0, fraction))
    genotypes = tuple(int(value) for value in np.random.default_rng(8).integers(0, 3, len(genome.snps)))
    truth = SampleTruth("PALBO-001", "PD", 480, 0.5, tuple(mutations))
    return truth, PatientTruth("PALBO-001", "S1", ("PAIR",), genotypes, 480, True, "PR")


@pytest.fixture(scope="session")
def plasma(tmp_path_factory: pytest.TempPathFactory) -> Plasma:
    folder = tmp_path_factory.mktemp("plasma")
    genome = build_genome(folder / "genome", 11)
    truth, patient = truth_of(genome, PLANTED)
    bed = folder / twin.write_panel(genome, folder).file
    twin.reference_entries(genome, folder)
    (file,) = twin.write(truth, patient, genome, bed, folder, np.random.default_rng(5))
    return Plasma(
        folder, genome, truth, patient, file, bed, read_panel(bed, "v1"),
        read_tracked_sites(folder / "hotspot_sites.csv"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def plasma_counts(plasma: Plasma) -> MoleculeCounts:
    return count_molecules(plasma.bam, plasma.panel, fasta_reference(plasma.genome.fasta), Settings())


REAL = ("VAF-1-5ng-1-10x", "WT-5ng-1-10x")
# The four alleles that the provider states for the 1 % mix of reference DNA, with their fractions (families of >= 3).
KNOWN = {
    ("chr17", 7673802, "C", "T", "TP53"): 0.0146,
    ("chr17", 7674220, "C", "T", "TP53"): 0.0102,
    ("chr3", 179234297, "A", "G", "PIK3CA"): 0.0099,
    ("chr4", 54733155, "A", "T", "KIT"): 0.0079,
}


@dataclass(frozen=True)
class RealRun:
    """UMIErrorCorrect's output of a 1 % mix and of wild-type DNA: five amplicons, inside their primers."""

    folder: Path
    panel: Panel
    reference: Callable[[str, int, int], str]
    tracked: pd.DataFrame

    def bam(self, sample: str) -> Path:
        return self.folder / sample / f"{sample}_consensus_reads.bam"

    def table(self, sample: str) -> list[dict[str, str]]:
        """The tool's own counts per position and family-size cut-off."""
        with (self.folder / sample / f"{sample}.cons").open(encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    def counts(self, sample: str, settings: Settings) -> MoleculeCounts:
        return count_molecules(self.bam(sample), self.panel, self.reference, settings)


@pytest.fixture(scope="session")
def real_run(shared_data: Path) -> RealRun:
    folder = shared_data / "umi_ctdna" / "umierrorcorrect_1pct_vs_wt"
    amplicons = (
        ("chr17", 7673740, 7673820), ("chr17", 7674185, 7674270), ("chr3", 179199128, 179199185),
        ("chr3", 179234260, 179234320), ("chr4", 54733130, 54733195),
    )  # fmt: skip
    bases: dict[tuple[str, int], str] = {}
    run = RealRun(
        folder,
        Panel("amplicons", tuple(Target(*place) for place in amplicons)),
        lambda chrom, start, end: "".join(bases.get((chrom, pos), "N") for pos in range(start + 1, end + 1)),
        pd.DataFrame(
            [(chrom, pos, ref, alt, gene, "", None) for chrom, pos, ref, alt, gene in KNOWN],
            columns=list(TRACKED_COLUMNS),
        ),
    )
    for sample in REAL:
        for row in run.table(sample):
            bases[row["Contig"], int(row["Position"])] = row["Reference"].upper()
    return run
