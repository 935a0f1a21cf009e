"""Thresholds of a plasma's quality by itself (part of the room's `Settings`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class QualitySettings(BaseModel):
    """Limits of depth, library, wet lab and handling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Sample quality.
    unique_depth_pass: int = Field(
        default=1500, ge=1, description="molecules; median unique depth to pass. Source: >= 1,500"
    )
    unique_depth_warn: int = Field(default=800, ge=1, description="molecules; below fails. Source: >= 800")
    on_target_warn: float = Field(
        default=0.60, ge=0, le=1, description="1; share of reads on the panel, below warns. Source: on-target >= 60 %"
    )
    uniform_depth_fraction: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="1; a base counts as covered from this share of the mean depth. Source: 0.2 x mean",
    )
    uniformity_warn: float = Field(
        default=0.90, ge=0, le=1, description="1; share of such bases, below warns. Source: uniformity >= 90 %"
    )
    family_size_low: float = Field(
        default=3, ge=1, description="raw reads; mean family size, below warns. Source: mean 3-10"
    )
    family_size_high: float = Field(
        default=10, ge=1, description="raw reads; above warns (over-sequenced). Source: mean 3-10"
    )
    strand_balance: tuple[float, float] = Field(
        default=(0.4, 0.6),
        description="1; share of raw pairs from forward strands, outside is flagged. Source: product default around the"
        " 0.5 of an unbiased duplex library",
    )
    umi_collision_warn: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="1; expected share of molecules behind another one's barcode, above is flagged. Source: product"
        " default, the share at which depth is off by a hundredth",
    )
    plasma_ml_warn: float = Field(default=3, ge=0, description="mL; less plasma warns. Source: plasma >= 3 mL")
    input_ng_pass: float = Field(default=10, ge=0, description="ng; cfDNA input to pass. Source: input >= 10 ng")
    input_ng_fail: float = Field(default=5, ge=0, description="ng; below isn't evaluable. Source: input < 5 ng")
    haemolysis_fail: int = Field(
        default=3, ge=1, description="grade 0-4; from here the plasma is taken for haemolysed. Source: product default"
    )
    gdna_pct_warn: float = Field(
        default=10, ge=0, le=100, description="%; share of DNA above 1 kb, above warns (leukocyte DNA). Source: <= 10 %"
    )
    fragment_peak_low: float = Field(default=160, ge=0, description="bp; cfDNA peak, below warns. Source: 160-180 bp")
    fragment_peak_high: float = Field(default=180, ge=0, description="bp; above warns. Source: 160-180 bp")
    raw_depth_warn: float = Field(
        default=20_000, ge=0, description="raw reads; mean per panel base, below warns. Source: raw depth >= 20,000"
    )
    fragment_pairs_least: int = Field(
        default=1000,
        ge=1,
        description="pairs; fewer have no fragment peak. Source: product default, the peak of 1,000 lengths with an SD"
        " of 12 bp lies within a few bp",
    )
    read_length_difference: int = Field(
        default=20,
        ge=0,
        description="bases; reads 1 and 2 whose greatest lengths differ by more warn: a barcode and a spacer that were"
        " taken off one of them explain no more. Source: longest barcode that is read (15) and a spacer",
    )
    deduplication_pairs: int = Field(
        default=1000,
        ge=1,
        description="pairs; so many without two that share both ends were deduplicated by position, which destroys"
        " families. Source: product default; a library of 167 bp fragments shares ends long before",
    )
    edta_hours: float = Field(
        default=6,
        gt=0,
        description="hours from draw to spin in EDTA; above, leukocytes have burst and the plasma fails. Source:"
        " EDTA > 6 h is unfit",
    )
    preserving_tube_hours: float = Field(
        default=336,
        gt=0,
        description="hours from draw to spin in a tube that fixes cells (Streck), above fails. Source: maker's"
        " instructions (Cell-Free DNA BCT: 14 days)",
    )
    conversion_warn: float = Field(
        default=0.20,
        ge=0,
        le=1,
        description="1; unique depth per genome equivalent put in, below warns. Source: >= 20 %",
    )
