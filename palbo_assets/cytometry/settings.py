"""Thresholds of the flow cytometry."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Sources: EuroFlow and HIPC practice as named; what the study decided itself says so."""

    model_config = ConfigDict(frozen=True)

    min_viability_pct: float = Field(
        default=70.0, description="Live of singlets [%]; below it a warning; HIPC practice for immune phenotyping"
    )
    lowest_viability_pct: float = Field(
        default=60.0, description="Live of singlets [%]; below it the sample fails; practice for thawed PBMC"
    )
    min_leukocytes: int = Field(
        default=50_000, description="Live CD45+ singlets [events]; fewer is a warning; EuroFlow acquisition minimum"
    )
    max_margin_pct: float = Field(
        default=5.0, description="Events at the top of any channel [%]; flowAI's and the study's limit"
    )
    max_drift_pct: float = Field(
        default=15.0, description="Largest deviation of a tenth's median from the whole [%]; the study's limit"
    )
    drift_bins: int = Field(default=10, description="Parts of the acquisition that are compared [1]")
    min_events: int = Field(
        default=20,
        description="Events of a population that can be evaluated [events]; the Poisson error of 20 is 22 %, and a "
        "coefficient of variation of 20 % is the customary limit of rare-event cytometry",
    )
    max_cbc_days: int = Field(
        default=3,
        description="Days between blood count and cytometry draw for an absolute count [d]; the study's limit",
    )
    positive_at: float = Field(
        default=0.45,
        description="Logicle value (t=262144, w=0.5, m=4.5) above which an event counts as stained [1]; ~960 units, "
        "above the autofluorescence of blood cells",
    )
    min_positive_pct: float = Field(
        default=5.0, description="Stained events in a channel that was stained at all [%]; controls lie below it"
    )
