"""Thresholds of the flow cytometry."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Sources: EuroFlow and HIPC practice as named; what the study decided itself says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    max_rate_mads: float = Field(
        default=6.0,
        description="Distance of a stretch's events from the median [median absolute deviations as standard "
        "deviations] beyond which the flow is unusual; PeacoQC's (Emmaneel et al. 2022)",
    )
    min_rate_change: float = Field(
        default=2.0, description="Factor by which unusual flow is faster or slower than the median [1]; the study's"
    )
    max_unusual_time_pct: float = Field(
        default=10.0, description="Time of unusual flow (gaps, clogs, bursts) [%]; more is a warning; the study's limit"
    )
    residual_min_pct: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="Events that a pair of channels needs to be judged for residual spill [% of those looked at]; "
        "fewer are doublets and debris (49 of 65,016 so bright in CD27 of a real file); the study's limit",
    )
    max_residual_spill_pct: float = Field(
        default=5.0,
        description="What a bright signal still shows in another channel after compensation [% of the signal]; more "
        "is a warning; on simulated tubes the right matrix leaves 0.2, one that takes out half of the spill 7",
    )
    drift_bins: int = Field(default=10, description="Parts of the acquisition that are compared [1]")
    min_events: int = Field(
        default=20,
        description="Events of a population that can be evaluated [events]; the Poisson error of 20 is 22 %, and a "
        "coefficient of variation of 20 % is the customary limit of rare-event cytometry",
    )
    min_cut_events: int = Field(
        default=200, description="Events that a valley or a tail is looked for in [events]; the study's limit"
    )
    min_peak_events: int = Field(
        default=20, description="Events of a peak beside a valley [events]; as for a population that can be evaluated"
    )
    min_valley_z: float = Field(
        default=3.0, description="Poisson errors by which a peak stands out of the valley beside it [1]; 3 is 0.1 %"
    )
    min_valley_depth: float = Field(
        default=0.25,
        description="1 - density of the valley over that of the lower peak [1]; in a shallower one the two sides "
        "run into each other (normal populations of one size and 2.3 standard deviations apart); the study's limit",
    )
    tail_tolerance: float = Field(
        default=0.01, description="Slope at which a peak's flank ends, of its steepest [1]; openCyto's tailgate"
    )
    min_batch_specimens: int = Field(
        default=2, ge=2, description="Specimens acquired alike whose events are pooled to place a bound [1]"
    )
    max_batch_shift_pct: float = Field(
        default=10.0,
        ge=0,
        description="Events between a sample's own valley and the batch's bound [% of those on the smaller side of the "
        "valley, above 3 Poisson errors]; with more the sample keeps its own; the study's limit for a share's error",
    )
    fmo_percentile: float = Field(
        default=99.5,
        description="Percentile of a control tube that is the bound [%]; Maecker & Trotter 2006, 99 to 99.9 in use",
    )
    min_control_events: int = Field(
        default=400, description="Events of a control tube in the population [events]; two lie above the percentile"
    )
    min_stained_events: int = Field(
        default=100,
        description="Stained events of a single-stain tube [events]; the error of their median is then some 5 % of the "
        "signal; the study's limit",
    )
    min_stained_rise: float = Field(
        default=2.0,
        gt=1,
        description="Factor by which stained events outshine that percentile of unstained ones [1]; dimmer ones tell "
        "no spill; the study's limit",
    )
    min_beads: int = Field(
        default=1_000, description="Bead events for a single-platform count [events]; its Poisson error is then 3 %"
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
    cycle_days: int = Field(
        default=28, description="Days of a palbociclib cycle [d]: 21 on, 7 off; label of the drug, PALOMA-2 and -3"
    )
    max_cycle_day_difference: int = Field(
        default=3,
        description="Days by which two draws may lie at different days of the cycle [d]; more is flagged, because "
        "leukocytes fall until days 15 to 21 and come back in the week off; the study's limit",
    )
    min_granulocytes_pct: float = Field(
        default=10.0,
        description="Granulocytes of the leukocytes in whole blood [%]; fewer is a warning that the tube may hold "
        "mononuclear cells: under palbociclib they seldom fall below 20, a gradient leaves fewer than 5; the study's",
    )
    max_lineage_pct: float = Field(
        default=97.0,
        description="Largest lineage of the leukocytes [%]; more is a warning that the file was exported after gating "
        "(CD3+ only): no blood and no mononuclear cells are of one lineage; the study's limit",
    )
