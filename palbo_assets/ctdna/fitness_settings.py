"""Thresholds of what only other samples tell of a plasma (part of the room's `Settings`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FitnessSettings(BaseModel):
    """Limits of another person's DNA and of a run's controls."""

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
    no_template_warn: float = Field(
        default=0.001,
        ge=0,
        description="1; molecules per panel base of a control without template, as a share of unique_depth_pass, above"
        " warns. Source: the lowest fraction of reference standards in use (0.1 %)",
    )
    no_template_fail: float = Field(
        default=0.005,
        ge=0,
        description="1; the same, above fails: as many molecules from another library would reach the VAF that ABSENT"
        " excludes (0.5 % of 1,500). Source: excluded_vaf",
    )
    control_vaf_tolerance: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="1; a standard's measured fraction may differ from the stated one by this share of it, beside the"
        " sampling of molecules. Source: product default; makers state fractions by digital PCR to within tens of per"
        " cent",
    )
    control_missed_by_chance: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="1; chance to miss an allele of a standard that has the required power. Source: 1 - required_power",
    )
    control_alpha: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; more missed alleles than chance makes this often fail the run. Source: convention",
    )
    hopping_largest_vaf: float = Field(
        default=0.06,
        gt=0,
        le=1,
        description="1; alleles of a plasma up to this fraction are held against other libraries of the run. Source:"
        " 0.2 to 6 % of reads had their indexes exchanged in runs on patterned flowcells (Costello 2018, BMC Genomics,"
        " doi 10.1186/s12864-018-4703-0)",
    )
    hopping_least_ratio: float = Field(
        default=2.0,
        gt=1,
        description="1; a family that copies came from has at least so many times the copies' pairs: it tells which"
        " library the molecule is of. Source: product default; at 6 % a copy's family is some 17 times smaller",
    )
    hopping_alpha: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; copies are believed where chance makes as many with a smaller probability. Source: convention",
    )
