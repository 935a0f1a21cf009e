"""Every threshold of the histology room, with its unit and its source.

"TIL-WG" is the International Immuno-Oncology Biomarker Working Group (Salgado 2015, Hendry 2017; PMC5564448,
PMC6267863). "Design default" marks a choice of this project that no publication fixes.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(_Frozen):
    """How the nucleus classifier is trained."""

    nuclei_per_class: int = Field(
        default=300,
        ge=50,
        description="Rendered training nuclei a class where no labelled nuclei are given; design default",
    )
    folds: int = Field(default=5, ge=2, description="Folds of the cross-validation; design default")
    seed: int = Field(default=20, description="Seed of the rendered nuclei and of the folds")
    min_class_labels: int = Field(
        default=20, ge=2, description="Labelled nuclei a class below which a training table is refused; design default"
    )
    validated_accuracy: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Balanced accuracy over left-out patients from which human-labelled nuclei make the model "
        "validated [1]; design default",
    )


class CalibrationSettings(_Frozen):
    """When a score calibrated on expert-scored fields counts as validated."""

    seed: int = Field(default=20, description="Seed of the resampling of patients")
    min_patients: int = Field(default=10, ge=3, description="Patients below which nothing is validated; design default")
    validated_icc: float = Field(
        default=0.70,
        ge=0,
        le=1,
        description="ICC(2,1) with the mean of the experts on left-out patients from which the score is validated [1]: "
        "the agreement that trained readers reached in the working group's ring studies (Denkert 2016: 0.70)",
    )
    validated_mae_points: float = Field(
        default=10.0,
        ge=0,
        description="Mean error on left-out patients up to which the score is validated [points]: the steps in which "
        "TIL-WG reports; design default",
    )


class SlideSettings(_Frozen):
    """How a slide is read, segmented, scored and judged."""

    mpp_min: float = Field(
        default=0.1, gt=0, description="Smallest believable scan resolution [um/px], about 100x; design default"
    )
    mpp_max: float = Field(
        default=1.1, gt=0, description="Largest believable scan resolution [um/px], about 10x; design default"
    )
    pixel_budget: int = Field(
        default=20_000_000_000,
        gt=0,
        description="Pixels of level 0 above which a file isn't a slide [px]; design default",
    )
    target_mpp: float = Field(
        default=0.5, gt=0, description="Resolution at which nuclei are read [um/px]: x200 as TIL-WG reads"
    )
    overview_mpp: float = Field(default=8.0, gt=0, description="Resolution of the tissue mask [um/px]; 8-16 is usual")
    tile_px: int = Field(
        default=512, ge=128, description="Tile edge at the target resolution [px]: 256 um; design default"
    )
    max_tiles: int = Field(
        default=4000, ge=1, description="Tiles scored; evenly spread where a slide has more; design default"
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Threads that work on a slide's tiles; results don't depend on it"
    )
    min_tile_tissue: float = Field(
        default=0.1, ge=0, le=1, description="Tissue share of a tile to be scored [1]; design default"
    )
    footprint_factor: float = Field(
        default=1.5,
        ge=1,
        le=3,
        description="Area of a mononuclear cell over that of its nucleus [1]: TIL-WG counts the area that cells "
        "occupy, the method sees nuclei. Nuclei of 6-7 um in cells of 7.5-8.5 um give 1.4-1.6; design default, "
        "not calibrated against pathologists",
    )
    nest_smoothing_um: float = Field(
        default=12.0,
        gt=0,
        description="Gaussian sigma that joins tumour nuclei to nests [um]: about one cell; design default",
    )
    nest_fraction: float = Field(
        default=0.15,
        gt=0,
        lt=1,
        description="Smoothed tumour nuclear area share from which tissue is nest [1]; design default",
    )
    min_scored_mm2: float = Field(
        default=1.0, ge=0, description="Tumour and stroma area below which QC fails [mm2]; design default"
    )
    min_nuclei: int = Field(default=500, ge=0, description="Nuclei below which QC fails; design default")
    min_stroma_mm2: float = Field(
        default=0.05,
        ge=0,
        description="Stroma area below which a share of stroma isn't evaluable [mm2]; design default",
    )
    max_blurred: float = Field(
        default=0.30, ge=0, le=1, description="Share of tiles out of focus from which QC fails; design default"
    )
    max_folded: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="Share of tissue in folds from which the slide carries a warning [1]; folds are never scored; "
        "design default",
    )
    focus_min: float = Field(
        default=40.0,
        ge=0,
        description="Variance of the Laplacian of grey values at 0.5 um/px below which a tile is out of focus "
        "[grey2] (operator: Pech-Pacheco 2000). Measured on CMU-1: see docs/histology.md",
    )
    min_he_hue: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="Share of coloured tissue pixels with an H&E hue (230-360 degrees) below which it isn't H&E [1]; "
        "measured on real H&E and DAB images: see docs/histology.md",
    )
    objective_times_mpp_min: float = Field(
        default=7.0,
        ge=0,
        description="Objective power x mpp, 10 for every usual scanner; below: the mpp tag is wrong; design default",
    )
    objective_times_mpp_max: float = Field(default=14.0, ge=0, description="As above, upper bound; design default")


class CyclinSettings(_Frozen):
    """When an H-score is believed."""

    min_nuclei: int = Field(
        default=100, ge=1, description="Tumour nuclei below which an H-score isn't evaluable; design default"
    )
    adjudicate_above: float = Field(
        default=30.0,
        ge=0,
        description="Difference of two readers' H-scores above which they must agree first; design default",
    )


class DabSettings(_Frozen):
    """When a nucleus of an image is positive, and when an image contradicts its reader."""

    dab_positive: float = Field(
        default=0.062,
        gt=0,
        description="Mean DAB density of a nucleus from which it is positive [rgb2hed scale]: Otsu's threshold of "
        "scikit-image's IHC example; a lab's own stain needs its own",
    )
    min_nuclei: int = Field(default=100, ge=1, description="Nuclei below which an image says nothing; design default")
    max_tiles: int = Field(
        default=64,
        ge=1,
        description="Tiles of 256 um counted, evenly spread where a section has more: 4 mm2; design default",
    )
    tolerance_points: float = Field(
        default=20.0,
        ge=0,
        description="Difference between image and reader beyond which somebody should look [points]; design default",
    )


class MarkerSettings(_Frozen):
    """When a marker density is believed."""

    min_area_mm2: float = Field(
        default=0.5, ge=0, description="Area below which a density isn't evaluable [mm2]; design default"
    )
    wanted_area_mm2: float = Field(
        default=1.0, ge=0, description="Tumour area below which a density carries a remark [mm2]; design default"
    )


class SectionSettings(_Frozen):
    """When a stained section is old, and whether softened bone is read at all."""

    accept_decalcified: bool = Field(
        default=False,
        description="Whether sections of decalcified bone are evaluable: for a lab that softens with EDTA and has "
        "shown that its antibodies bear it. Acid takes antigens away (Schrijver 2016, Modern Pathology 29:1460)",
    )
    block_years: float = Field(
        default=5.0,
        gt=0,
        description="Age of the paraffin block at staining above which a score carries a remark [years]; design, after "
        "PEARL's cyclin E samples, of which 74 % were older",
    )
    section_days: float = Field(
        default=90.0,
        gt=0,
        description="Days from cutting to staining above which a score carries a remark; design (3 months; ASCO/CAP "
        "2013 asks for 6 weeks for HER2)",
    )


SECTIONS = ("training", "calibration", "slides", "cyclin", "markers", "dab", "sections")


class _Room(BaseModel):
    """The part of the room's settings that one product depends on, so that another part's change doesn't make it
    due."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _known_sections(cls, section: Any) -> Any:
        unknown = sorted(set(section) - set(SECTIONS)) if isinstance(section, dict) else []
        if unknown:
            raise ValueError(f"unknown section; the room has {', '.join(SECTIONS)}")
        return section


class TilModelSettings(_Room):
    training: ModelSettings = Field(default=ModelSettings(), description="How the nucleus classifier is trained")
    calibration: CalibrationSettings = Field(
        default=CalibrationSettings(), description="When a score calibrated on scored fields counts as validated"
    )


class TilScoresSettings(_Room):
    slides: SlideSettings = Field(default=SlideSettings(), description="How slides are read, scored and judged")


class CyclinEIhcSettings(_Room):
    cyclin: CyclinSettings = Field(default=CyclinSettings(), description="When an H-score is believed")
    sections: SectionSettings = Field(default=SectionSettings(), description="What a section may have gone through")


class TilMarkerIhcSettings(_Room):
    markers: MarkerSettings = Field(default=MarkerSettings(), description="When a marker density is believed")
    sections: SectionSettings = Field(default=SectionSettings(), description="What a section may have gone through")


class IhcImagesSettings(_Room):
    dab: DabSettings = Field(default=DabSettings(), description="How an image is held against its reader")
