"""Plasmas of healthy donors on the twin's panel: what the background of consensus errors is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo import ctdna
from palbo_assets.demo.truth import PatientTruth, SampleTruth, WrittenFile

if TYPE_CHECKING:
    import numpy as np

    from palbo_assets.demo.genome import MiniGenome

DONORS = 10
UNIQUE_DEPTH = 300  # thin, so that the demo stays quick: ten donors have the molecules of one and a half plasmas


def write(
    genome: MiniGenome, panel: Path, folder: Path, rng: np.random.Generator, *, unique_depth: float = UNIQUE_DEPTH
) -> list[WrittenFile]:
    """A consensus BAM of each donor: their own germline SNPs, no tumour, the same errors as patients' plasmas."""
    rows = []
    for number in range(1, DONORS + 1):
        genotypes = tuple(int(one) for one in rng.binomial(2, 0.4, size=len(genome.snps)))
        donor = PatientTruth(f"DONOR-{number:02d}", "", (), genotypes, 0, False, "")
        truth = SampleTruth(donor.patient_id, "BL", 0, 0.0)
        (row,) = ctdna.write(truth, donor, genome, panel, folder, rng, unique_depth=unique_depth)
        rows.append(replace(row, role="healthy_plasma_bam", patient_id="", timepoint="", specimen_id=""))
    return rows
