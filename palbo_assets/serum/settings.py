"""Thresholds of the neuregulin-1 ELISA."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Acceptance follows ICH M10 (Bioanalytical Method Validation, 2022), section on ligand-binding assays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal_nm: int = Field(
        default=450, description="Wavelength of the TMB product after stop solution [nm]; kit insert"
    )
    reference_nm: tuple[int, ...] = Field(
        default=(540, 570, 620, 630, 650),
        description="Wavelengths [nm] that correct for the plastic; the first that the export holds is subtracted; kit "
        "inserts name 540 or 570, readers' filters are often 620 to 650",
    )
    weight_power: float = Field(
        default=2.0,
        description="Weights of the standard curve are 1/y^power [1]; 2 as the FDA guidance of 2018 suggests",
    )
    smallest_response: float = Field(
        default=0.010,
        description="Response [OD] that limits the weights; typical photometric accuracy of readers (0.010 OD)",
    )
    min_calibrators: int = Field(default=6, description="Non-zero standards that a curve needs [levels]; ICH M10")
    calibrator_tolerance_pct: float = Field(default=20.0, description="Back-calculated from nominal [%]; ICH M10")
    calibrator_tolerance_at_ends_pct: float = Field(
        default=25.0, description="Back-calculated from nominal at the lowest and the highest standard [%]; ICH M10"
    )
    min_calibrators_passing: float = Field(default=0.75, description="Share of standards that must pass [1]; ICH M10")
    qc_tolerance_pct: float = Field(default=20.0, description="Quality control from nominal [%]; ICH M10")
    min_qc_passing: float = Field(
        default=2 / 3, description="Share of all quality-control wells that must pass [1]; ICH M10"
    )
    min_qc_passing_per_level: float = Field(
        default=0.5, description="Share of quality-control wells that must pass at each level [1]; ICH M10"
    )
    max_replicate_cv_pct: float = Field(default=20.0, description="Coefficient of variation of replicates [%]; ICH M10")
    max_replicate_cv_at_lloq_pct: float = Field(
        default=25.0,
        description="Coefficient of variation of replicates at the lowest standard or below 1.25 times it [%]; ICH M10",
    )
    min_replicates: int = Field(
        default=2, description="Usable wells for a concentration [wells]; duplicates are the design"
    )
    interval: float = Field(default=0.95, gt=0, lt=1, description="Coverage of concentrations' intervals [1]; habit")
    parallelism_pct: tuple[float, float] = Field(
        default=(80.0, 120.0),
        description="Concentration at a higher dilution, of that at the lowest usable one [%]; outside, the dilutions "
        "aren't parallel, or a hook hides the top. ICH M10, parallelism; the bounds are the field's practice",
    )
    edge_cv_ratio: float = Field(
        default=2.0,
        description="Scatter of replicates in outer wells over that in inner ones that is called an edge effect [1]; "
        "about the 99 % point of F for 20 pairs each (study default)",
    )
    min_edge_pairs: int = Field(
        default=8, description="Replicated groups that outer and inner wells each need for that [1]; study default"
    )
    bridge_tolerance_pct: float = Field(
        default=25.0, description="A plate's bridge sample from its median over all plates [%]; field practice 20-25 %"
    )
    min_bridge_plates: int = Field(
        default=3, description="Plates that a bridge sample needs before they are compared [plates]; study default"
    )
    lod_blank_sd: float = Field(
        default=3.0, description="Limit of detection in standard deviations of the blank [1]; IUPAC convention"
    )
