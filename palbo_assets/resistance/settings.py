"""Thresholds of the resistance room that aren't part of a mechanism's own definition, with units and sources."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MIN_POWER: float = Field(0.8, gt=0, lt=1, description="probability; absence is only said above. Study's analysis plan")


class Section(BaseModel):
    """The part of the room's section that some products depend on, so that another part's change doesn't make them
    due. A field that no part has is refused: it would be ignored, and nobody would notice the misspelling."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, section: Any) -> Any:
        known = {name for part in PARTS for name in part.model_fields}
        for field in sorted(map(str, section)) if isinstance(section, dict) else ():
            if field not in known:
                near = get_close_matches(field, sorted(known), n=1)
                meant = f"; is {near[0]} meant?" if near else ""
                raise ValueError(f"there is no field {field}{meant}")
        return section


class Settings(Section):
    """What "absent", "acquired" and "testable" ask for."""

    min_power: float = _MIN_POWER
    power_alt_reads: int = Field(
        3, ge=1, description="fragments that make an alteration visible in an exome. Analysis plan: P(<= 2 reads)"
    )
    power_alt_molecules: int = Field(
        2, ge=1, description="molecules that make a tracked alteration visible in plasma. Practice of tracking"
    )
    expansion_ratio: float = Field(
        2.0, gt=1, description="ratio of cancer cell fractions from which, with disjoint 95 % intervals, a clone"
        " has expanded. Study's analysis plan"
    )  # fmt: skip
    er_drop_log2: float = Field(
        2.0, gt=0, description="log2 fall of ESR1 messenger RNA that counts as loss (fourfold). Study's analysis plan"
    )
    er_score_baseline_mean: float | None = Field(
        None, description="rank sum; mean early oestrogen response of the frozen baseline cohort; None until frozen"
    )
    er_score_baseline_sd: float | None = Field(
        None, gt=0, description="rank sum; its standard deviation; None until frozen"
    )
    reference_change_factor: float = Field(
        2.77, gt=0, description="1; reference change value = factor x CV (1.96 x sqrt 2; Harris & Yasaka 1983)"
    )

    min_pairs: int = Field(
        6, ge=2, description="pairs; fewer can't reach p < 0.05 in an exact signed-rank test (n = 5: 0.0625)"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="confidence of intervals. Convention")


class AcquiredSettings(Section):
    """What makes an alteration of progression acquired, and what makes it believed."""

    min_power: float = _MIN_POWER
    extension_alt_reads: int = Field(
        5, ge=1, description="fragments with the alteration at progression before a probe is proposed. Analysis plan"
    )
    artefact_vaf: float = Field(
        0.1, ge=0, le=1, description="fraction; C>T and G>A below may come from formalin: no probe. Analysis plan"
    )


class ExtensionSettings(Section):
    """What earns a target on the plasma panel; apart, so that another probe width makes no fact due."""

    extension_patients: int = Field(
        default=2,
        ge=1,
        description="patients; an acquired alteration or gene in so many earns a target. Source: >= 2 patients",
    )
    lof_driver_genes: tuple[str, ...] = Field(
        default=("RB1", "PTEN", "NF1", "FAT1", "KMT2C", "TP53", "CDKN2A", "CDKN1B", "ARID1A", "GATA3", "FOXA1", "TBX3",
         "MAP3K1", "CDH1"),
        description="genes whose loss is a resistance mechanism or its context: one patient is enough. Source: the"
        " study's mechanism definitions",
    )  # fmt: skip
    probe_flank: int = Field(
        default=60, ge=0, description="bases on each side of a locus. Source: probe window +-60 bp"
    )
    merge_gap: int = Field(
        default=100, ge=0, description="bases; windows nearer than this become one. Source: merge <= 100 bp"
    )
    mappable_pct_min: float = Field(
        default=90, ge=0, le=100, description="%; a target with fewer uniquely mappable bases is flagged. Study default"
    )
    homopolymer_bases: int = Field(
        default=8,
        ge=2,
        description="bases; a target with a longer or equal run of one base is flagged: polymerases slip there. Study"
        " default",
    )
    pseudogene_genes: tuple[str, ...] = Field(
        default=("CHEK2", "KMT2C", "NF1", "PIK3CA", "PMS2", "PTEN"),
        description="genes with close copies elsewhere in the genome, whose targets are flagged. Source: KMT2C (study's"
        " list of traps); published pseudogenes of the others (PTENP1, PMS2CL, copies of CHEK2, NF1 and PIK3CA)",
    )
    gc_low_pct: float = Field(default=25, ge=0, le=100, description="%; GC below is hard to capture. Source: 25-70 %")
    gc_high_pct: float = Field(default=70, ge=0, le=100, description="%; GC above is hard to capture. Source: 25-70 %")


PARTS: tuple[type[Section], ...] = (Settings, AcquiredSettings, ExtensionSettings)
