"""A small twin that the exome tests share: two patients, one with baseline and progression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.demo import wes as writer
from palbo_assets.demo.genome import MiniGenome, build_genome
from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth
from palbo_assets.wes.call import References

PURITY = 0.6


@dataclass(frozen=True)
class Twin:
    genome: MiniGenome
    folder: Path
    truths: Mapping[str, SampleTruth]
    people: Mapping[str, PatientTruth]

    def bam(self, name: str) -> Path:
        return self.folder / f"{name}.bam"

    @property
    def references(self) -> References:
        genome = self.genome
        return References(genome.fasta, genome.target_bed, genome.gff3, genome.transcripts, genome.hotspots)


def planted(genome: MiniGenome, gene: str, change: str, ccf: float) -> PlantedMutation:
    chrom, pos, ref, alt, kind = genome.mutation(gene, change)
    return PlantedMutation(gene, chrom, pos, ref, alt, change, kind, ccf, 0.0)


@pytest.fixture(scope="session")
def genome(tmp_path_factory: pytest.TempPathFactory) -> MiniGenome:
    return build_genome(tmp_path_factory.mktemp("genome"), seed=11)


@pytest.fixture(scope="session")
def twin(genome: MiniGenome, tmp_path_factory: pytest.TempPathFactory) -> Twin:
    folder = tmp_path_factory.mktemp("exomes")
    rng = np.random.default_rng(5)
    truths, people = {}, {}
    for patient_id, timepoints in {
        "PALBO-001": {
            "BL": [("PIK3CA", "p.H1047R", 1.0), ("TP53", "p.R175H", 1.0)],
            "PD": [
                ("PIK3CA", "p.H1047R", 1.0),
                ("TP53", "p.R175H", 1.0),
                ("RB1", "p.E137fs", 0.8),
                ("RB1", "p.R320*", 0.8),
                ("ESR1", "p.D538G", 0.6),
                ("ESR1", "p.V422del", 0.9),
                ("KRAS", "p.G12D", 0.7),
                ("AKT1", "p.E17K", 0.9),
            ],
        },
        "PALBO-002": {"BL": [("PIK3CA", "p.E545K", 1.0), ("PTEN", "p.R130Q", 1.0)]},
    }.items():
        samples = {
            timepoint: SampleTruth(
                patient_id, timepoint, 0, PURITY, tuple(planted(genome, *one) for one in mutations), {"CCND1": 6}
            )
            for timepoint, mutations in timepoints.items()
        }
        genotypes = tuple(int(one) for one in rng.binomial(2, 0.5, len(genome.snps)))
        patient = PatientTruth(patient_id, "SMC", ("PAIR",), genotypes, 200, True, "PD", samples=samples)
        people[patient_id] = patient
        for timepoint, truth in samples.items():
            writer.write(truth, patient, genome, folder, rng, germline=timepoint == "BL")
            truths[f"{patient_id}-{timepoint}"] = truth
            writer.write_caller_vcf(truth, genome, folder, rng, normal_first=timepoint == "BL")
    return Twin(genome, folder, truths, people)
