"""Control samples of the twin's plasma run: one without template, and one reference standard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo import ctdna
from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth, WrittenFile

if TYPE_CHECKING:
    import numpy as np

    from palbo_assets.demo.genome import MiniGenome

UNIQUE_DEPTH = 700  # shows 1 % surely, and keeps the demo quick
NO_TEMPLATE_DEPTH = 0.5  # a molecule here and there


def write(
    genome: MiniGenome,
    panel: Path,
    folder: Path,
    rng: np.random.Generator,
    *,
    standards: Mapping[str, float] | None = None,
    unique_depth: float = UNIQUE_DEPTH,
    no_template_depth: float = NO_TEMPLATE_DEPTH,
) -> list[WrittenFile]:
    """A BAM each; ``standards``: material -> fraction that its alleles are planted with (the 1 % one as stated)."""
    planted = {"NTC": 0.0, **({"TWIN-STANDARD-1": 0.01} if standards is None else standards)}
    rows = []
    for material, fraction in planted.items():
        mutations = tuple(
            _planted(genome, gene, change, fraction) for gene, change in ctdna.STANDARD_ALLELES if fraction
        )
        person = PatientTruth(f"CONTROL-{material}", "", (), (0,) * len(genome.snps), 0, False, "")
        truth = SampleTruth(person.patient_id, "BL", 0, 0.0, mutations)
        depth = unique_depth if fraction else no_template_depth
        (row,) = ctdna.write(truth, person, genome, panel, folder, rng, unique_depth=depth)
        rows.append(replace(row, role="control_bam", patient_id="", timepoint="", specimen_id=material))
    return rows


def _planted(genome: MiniGenome, gene: str, change: str, fraction: float) -> PlantedMutation:
    chrom, pos, ref, alt, kind = genome.mutation(gene, change)
    return PlantedMutation(gene, chrom, pos, ref, alt, change, kind, 1.0, fraction)
