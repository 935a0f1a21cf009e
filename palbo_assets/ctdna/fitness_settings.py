"""Thresholds of what only other samples tell of a plasma (part of the room's `Settings`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FitnessSettings(BaseModel):
    """Limits of another person's DNA."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    foreign_dna_warn: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="1; share of another person's DNA, above alleles that it explains aren't evaluable. Source: the"
        " exomes' limit (GATK and Conpair practice); a heterozygous SNP of the other person then shows at 0.5 %, the"
        " VAF that ABSENT excludes",
    )
    foreign_dna_fail: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="1; share of another person's DNA, above nothing in the plasma is evaluable. Source: the exomes'"
        " limit (contamination_fail)",
    )
