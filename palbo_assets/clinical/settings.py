"""Thresholds of the clinical room, with units and sources."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Every number that decides something clinical."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing_codes: tuple[str, ...] = Field(
        default=("-99", "-88", "-77"),
        description="Values that mean missing in the REDCap project, never numbers (study default)",
    )
    sdtm_assessor: str = Field(
        default="INVESTIGATOR",
        description="Whose readings of SDTM's tumour domains count (TUEVAL, TREVAL, RSEVAL); PFS is the investigator's",
    )

    adam_parameters: dict[Literal["PFS", "BOR", "CBOR"], str] = Field(
        default={"PFS": "PFS", "BOR": "BOR", "CBOR": "CBOR"},
        description="Which PARAMCD of ADTTE and ADRS holds progression-free survival (PFS), best response (BOR) and"
        " confirmed best response (CBOR); the names that CDISC's oncology examples use",
    )
    adam_tolerance_days: float = Field(
        default=1.0,
        ge=0,
        description="Days by which the sponsor's survival may differ from the room's own (rounding of months, and"
        " whether the first day counts; study default)",
    )

    er_positive_pct: float = Field(
        default=1.0, description="% of nuclei from which ER or PgR is positive (ASCO/CAP 2020 guideline)"
    )
    er_low_below_pct: float = Field(
        default=10.0, description="% of nuclei up to which ER is reported as low positive (ASCO/CAP 2020 guideline)"
    )
    allred_positive: int = Field(
        default=3, description="Allred score from which ER is positive (Harvey, JCO 1999;17:1474)"
    )

    response_decrease: float = Field(
        default=0.30, description="Share by which the sum falls from baseline for a partial response (RECIST 1.1)"
    )
    progression_increase: float = Field(
        default=0.20, description="Share by which the sum rises from its nadir for progression (RECIST 1.1)"
    )
    progression_absolute_mm: float = Field(
        default=5.0, description="mm by which the sum must also rise from its nadir for progression (RECIST 1.1)"
    )
    normal_node_mm: float = Field(
        default=10.0, description="Short axis in mm below which a node is normal (RECIST 1.1)"
    )
    measurable_mm: float = Field(
        default=10.0, description="Longest diameter in mm of a measurable lesion (RECIST 1.1, CT)"
    )
    measurable_node_mm: float = Field(default=15.0, description="Short axis in mm of a measurable node (RECIST 1.1)")
    most_targets: int = Field(default=5, description="Largest number of target lesions of a patient (RECIST 1.1)")
    implausible_below_mm: float = Field(
        default=3.0,
        description="A size between 0 and this many mm was probably written in cm (study default; RECIST 1.1 records"
        " what is too small to measure as 5 mm)",
    )
    visit_span_days: int = Field(
        default=14, description="Images up to this many days from a visit's form belong to that visit (study default)"
    )
    stable_from_day: int = Field(
        default=42,
        description="Days from first dose from which stable disease may be called (RECIST 1.1: 6 to 8 weeks)",
    )
    confirmation_days: int = Field(
        default=28, description="Days after which a second visit confirms a response (RECIST 1.1: four weeks)"
    )
    most_targets_per_organ: int = Field(default=2, description="Largest number of target lesions an organ (RECIST 1.1)")
    clinical_benefit_days: int = Field(
        default=168,
        description="Days of stable disease that count as clinical benefit (24 weeks, the field's definition)",
    )

    month_days: float = Field(default=30.4375, description="Days in a month (365.25 / 12)")
    primary_resistance_months: float = Field(
        default=6.0, description="Progression before this many months is primary resistance (used by Lobo-Martins 2024)"
    )
    adjuvant_resistance_months: float = Field(
        default=24.0,
        description="Relapse under adjuvant endocrine treatment before this many months of it is primary resistance"
        " (ESO-ESMO ABC5, 2020)",
    )
    after_adjuvant_months: float = Field(
        default=12.0,
        description="Relapse up to this many months after adjuvant endocrine treatment is secondary resistance"
        " (ESO-ESMO ABC5, 2020)",
    )
    first_line_resistance_months: float = Field(
        default=6.0,
        description="Progression before this many months of a first endocrine line for metastatic disease is primary"
        " resistance (ESO-ESMO ABC5, 2020)",
    )
    assessment_interval_days: int = Field(
        default=84, description="Longest planned interval between tumour assessments in days (12 weeks, study default)"
    )
    assessment_window_days: int = Field(default=14, description="Tolerance of an assessment's day (study default)")
    progression_date_tolerance_days: int = Field(
        default=14,
        description="Days by which the reported progression may differ from the visit that shows it (study default)",
    )

    survival_factors: tuple[str, ...] = Field(
        default=("endo_sensitivity", "visceral", "de_novo", "prior_ct", "et_partner"),
        description="Columns of `patients` whose levels are compared in survival; the subgroups of PALOMA-3's report",
    )
    survival_min_events: int = Field(
        default=10, ge=2, description="Events that each level needs for a hazard ratio (Peduzzi, J Clin Epidemiol 1995)"
    )

    accrual_window_days: int = Field(
        default=365, description="Days before the data cut over which the rate of new pairs is taken (study default)"
    )
    interval: float = Field(
        default=0.95, gt=0, lt=1, description="Coverage of the intervals of rates and projections (the field's habit)"
    )
    longest_plasma_hours: float = Field(
        default=6.0, description="Hours from draw to spin of EDTA plasma for cell-free DNA (field practice)"
    )
    future_gap_days: int = Field(
        default=366,
        description="A patient's last date this far after every other patient's is taken for a typing error",
    )
