"""Every threshold of the room, with its unit and its source: those of origin and residual disease, and all others'."""

from __future__ import annotations

from pydantic import Field

from palbo_assets.ctdna.calling_settings import CallingSettings
from palbo_assets.ctdna.fitness_settings import FitnessSettings
from palbo_assets.ctdna.molecule_settings import MoleculeSettings
from palbo_assets.ctdna.quality_settings import QualitySettings


class Settings(MoleculeSettings, CallingSettings, QualitySettings, FitnessSettings):
    """The room's section of the settings: molecules, calls, quality, fitness, origin and residual disease."""

    # Origin of an allele: the patient's white cells.
    white_cell_error: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="errors per fragment and base of reads without molecular barcodes at Q30. Source: Phred definition",
    )
    white_cell_alpha: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; below, white cells hold the allele (binomial against white_cell_error), and above, plasma holds"
        " no more of it than they (Fisher). Source: Fisher p > 0.01 means clonal haematopoiesis",
    )
    white_cell_ratio: float = Field(
        default=1 / 3,
        gt=0,
        le=1,
        description="1; an allele whose VAF in white cells is this share of plasma's comes from them. Source: >= 1/3",
    )
    germline_white_vaf: float = Field(
        default=0.30,
        gt=0,
        le=1,
        description="1; VAF in white cells from here is taken for germline. Source: product default, 4 SD below a"
        " heterozygous 0.5 at 100 fragments. In chip_genes a VAF significantly below heterozygous is CHIP all the same",
    )
    heterozygous_vaf: float = Field(
        default=0.48,
        gt=0,
        lt=1,
        description="1; alternative fraction of a heterozygous germline variant in white cells. Source: one half, less"
        " the reference bias of aligned reads (Degner 2009, Bioinformatics)",
    )
    heterozygous_concentration: float = Field(
        default=100.0,
        gt=1,
        description="1; alpha + beta of that fraction over variants: an SD of 0.05 beside the binomial's own. Source:"
        " product default, of the size of overdispersion of exomes (Heinrich 2012, Nucleic Acids Res)",
    )
    white_cell_min_base_quality: int = Field(
        default=30, ge=0, le=93, description="Phred; white cells' bases below don't count. Source: white_cell_error"
    )

    # Residual disease.
    alpha_residual: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; false-positive rate of the joint test over a patient's own sites. Source: specificity >= 99 %"
        " of tumour-informed assays",
    )
    min_residual_sites: int = Field(
        default=2,
        ge=2,
        description="sites; so many tracked on the panel, and so many with a molecule, before the joint test says"
        " PRESENT. Source: >= 2 sites",
    )


GENOME_EQUIVALENTS_PER_NG = 303.0
"""Haploid genome equivalents in 1 ng of human DNA (3.3 pg each)."""
