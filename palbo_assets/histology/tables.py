"""The tables that the histology room publishes."""

from __future__ import annotations

from palbo_assets.histology.ihc_vocabulary import (
    AREA_COMPARTMENTS,
    COMPARTMENTS,
    CYCLINS,
    MARKERS,
    TIL_MARKERS,
    TUMOUR_CELL_COMPARTMENTS,
)
from palbo_assets.histology.section_handling import COUNTED
from palbo_assets.platform.tables import PATIENT_ID, SPECIMEN_ID, TIMEPOINT, Column, Table, boolean, integer, real, text
from palbo_assets.study.vocabulary import OBSERVED, Absence, Qc

_STATUS = text(
    "status",
    "Whether the value may be used, or why not",
    nullable=False,
    allowed=(OBSERVED, Absence.QC_FAIL, Absence.NOT_EVALUABLE),
)
_REASON = text("reason", "Why there is no value, or what to keep in mind about it; null when there is nothing to say")


def _with_interval(name: str, description: str, unit: str) -> tuple[Column, ...]:
    return (
        real(name, description, unit=unit),
        real(f"{name}_low", f"{description}: lower end of the 95 % interval over patients", unit=unit),
        real(f"{name}_high", f"{description}: upper end of the 95 % interval over patients", unit=unit),
    )


TIL_MODEL = Table(
    name="til_model",
    description="The classifier of nuclei that scores slides, as text, and what is known of its accuracy",
    grain="model",
    columns=(
        text("model_version", "First 12 characters of the model's sha256", nullable=False, key=True),
        text("sha256", "Hash of the model's text", nullable=False),
        text("model_json", "The model: standardisation and coefficients as JSON", nullable=False),
        text(
            "training_source",
            "Rendered or human-labelled nuclei, and whether experts' scores calibrate",
            nullable=False,
        ),
        text("training_sha256", "Hash of the labelled nuclei's file; null for rendered nuclei"),
        integer("n_lymphocyte", "Training nuclei: lymphocytes", nullable=False, minimum=1),
        integer("n_tumour", "Training nuclei: tumour cells", nullable=False, minimum=1),
        integer("n_stroma", "Training nuclei: fibroblasts and endothelium", nullable=False, minimum=1),
        integer("n_other", "Training nuclei: fragments and debris", nullable=False, minimum=1),
        real(
            "cv_balanced_accuracy",
            "Balanced accuracy over left-out patients (labelled) or left-out fields (rendered)",
            unit="1",
            minimum=0,
            maximum=1,
        ),
        boolean(
            "validated",
            "Accurate on left-out patients: labelled nuclei, or scored fields; never true of rendered nuclei alone",
            nullable=False,
        ),
        real(
            "calibration_slope",
            "Points that experts give a point of the area rule, of scored fields; moves scores only if validated",
            unit="1",
            minimum=0,
        ),
        integer("n_fields", "Expert-scored fields", minimum=1),
        integer("n_field_patients", "Patients of the scored fields", minimum=1),
        *_with_interval(
            "order_spearman", "Rank correlation of the uncalibrated area rule with the mean of the experts", "1"
        ),
        *_with_interval("field_spearman", "Rank correlation with the mean of the experts, left-out patients", "1"),
        *_with_interval("field_icc", "ICC(2,1) with the mean of the experts, left-out patients", "1"),
        *_with_interval("field_mae_points", "Mean error against the mean of the experts, left-out patients", "points"),
        *_with_interval("reader_spearman", "Median expert against the mean of the others: rank correlation", "1"),
        *_with_interval("reader_icc", "Median expert against the mean of the others: ICC(2,1)", "1"),
        *_with_interval("reader_mae_points", "Median expert against the mean of the others: mean error", "points"),
    ),
)

TIL_SCORES = Table(
    name="til_scores",
    description="Stromal tumour-infiltrating lymphocytes of H&E slides by machine learning",
    grain="slide",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("slide_sha256", "Hash of the slide's file", nullable=False, key=True),
        real(
            "stil_area_pct",
            "Share of stromal area that mononuclear cells occupy (TIL working group); calibrated where the model is",
            unit="%",
            minimum=0,
            maximum=100,
        ),
        real("area_rule_pct", "The same before calibration", unit="%", minimum=0, maximum=100),
        real("stil_density_mm2", "Lymphocytes in stroma per area of stroma", unit="cells/mm2", minimum=0),
        real("itil_density_mm2", "Lymphocytes in tumour nests per area of nests", unit="cells/mm2", minimum=0),
        real("etil_pct", "Lymphocytes among lymphocytes and tumour nuclei", unit="%", minimum=0, maximum=100),
        integer("n_nuclei", "Nuclei found", nullable=False, minimum=0),
        integer("n_lymphocytes", "Nuclei classified as lymphocytes", nullable=False, minimum=0),
        integer("n_tumour", "Nuclei classified as tumour", nullable=False, minimum=0),
        real("tissue_mm2", "Tissue that was scored", unit="mm2", nullable=False, minimum=0),
        real("stroma_mm2", "Stroma that was scored", unit="mm2", nullable=False, minimum=0),
        real("nest_mm2", "Tumour nests that were scored", unit="mm2", nullable=False, minimum=0),
        integer("n_tiles", "Tiles that were scored", nullable=False, minimum=0),
        real("mpp", "Resolution that the slide states", unit="um/px", nullable=False, minimum=0),
        real("blurred_pct", "Tiles out of focus", unit="%", minimum=0, maximum=100),
        real("folded_pct", "Tissue in folds, left out", unit="%", minimum=0, maximum=100),
        boolean("annotated", "Whether annotated regions restricted what was scored"),
        real("he_hue_pct", "Coloured tissue with an H&E hue", unit="%", minimum=0, maximum=100),
        real("nuclear_threshold", "Haematoxylin density that separates nuclei (rgb2hed scale)", unit="1", minimum=0),
        text("model_version", "Version of the classifier (til_model)", nullable=False),
        boolean("validated", "Whether that classifier is validated", nullable=False),
        boolean("site_validated", "Whether the scoring rule holds at this site: primary breast; null for no site"),
        text("qc", "Verdict on the slide", nullable=False, allowed=tuple(Qc)),
        _STATUS,
        text("reasons", "Codes behind qc and status, separated by ; (see the histology page); null for none"),
    ),
)

_REMARKS = text(
    "remarks",
    "What the section went through, ';'-joined: decalcified, necrosis, old_block, old_section; null for none or where "
    "the table doesn't say",
)

IHC_SCORES = Table(
    name="ihc_scores",
    description="Readings of immunohistochemistry in one normal form, as delivered in scoring tables of many patients",
    grain="batch x specimen x marker x compartment x scorer",
    columns=(
        text("batch_id", "Delivered scoring table that the reading is from", nullable=False, key=True),
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("marker", "Stained antigen", nullable=False, key=True, allowed=MARKERS),
        text("compartment", "Where it was read", nullable=False, key=True, allowed=COMPARTMENTS),
        text("region", "Annotation that was read; empty for the whole specimen", nullable=False, key=True),
        text("scorer", "Who or what read it", nullable=False, key=True),
        text("run", "Staining run; empty where not stated", nullable=False, key=True),
        text("antibody", "Antibody"),
        text("clone", "Clone; clones are not interchangeable"),
        text("lot", "Lot of the antibody"),
        real("pct_0", "Negative cells", unit="%", minimum=0, maximum=100),
        real("pct_1plus", "Weakly stained cells", unit="%", minimum=0, maximum=100),
        real("pct_2plus", "Moderately stained cells", unit="%", minimum=0, maximum=100),
        real("pct_3plus", "Strongly stained cells", unit="%", minimum=0, maximum=100),
        real("h_score", "H-score", unit="1", minimum=0, maximum=300),
        real("pct_positive", "Stained cells", unit="%", minimum=0, maximum=101),
        integer("n_cells", "Cells counted", minimum=0),
        integer("n_positive", "Stained cells counted", minimum=0),
        real("area_mm2", "Area that was read", unit="mm2", minimum=0),
        boolean("control_ok", "Whether the run's control stained as it should; null where not stated"),
        boolean("decalcified", "Whether the bone was decalcified; null where not stated"),
        boolean("necrosis", "Whether what was read holds necrosis; null where not stated"),
        real("block_years", "Age of the paraffin block at staining", unit="years", minimum=0),
        real("section_days", "Days from cutting the section to staining it", unit="days", minimum=0),
        text("counted", "Which epithelial cells were counted; null where not stated", allowed=COUNTED),
        text("layout", "Kind of table", nullable=False, allowed=("study", "qupath", "halo", "inform")),
        integer("file_row", "Line of the delivered file", nullable=False, minimum=1),
    ),
)

TIL_MARKER_IHC = Table(
    name="til_marker_ihc",
    description="Density of immune markers by compartment",
    grain="specimen x marker x compartment",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("marker", "Stained antigen", nullable=False, key=True, allowed=TIL_MARKERS),
        text("compartment", "Where it was counted", nullable=False, key=True, allowed=AREA_COMPARTMENTS),
        real("density_mm2", "Positive cells per area of the compartment", unit="cells/mm2", minimum=0),
        integer("n_positive", "Positive cells (mean of scorers)", minimum=0),
        real("area_mm2", "Area that was read (the smallest of the scorers)", unit="mm2", minimum=0),
        real("pct_positive", "Positive among all cells", unit="%", minimum=0, maximum=100),
        text("clone", "Clones of the antibody, separated by ;"),
        text("scoring_rule", "PD-L1 only: the rule that its clone was validated with; null for an unknown clone"),
        boolean("control_ok", "Whether the run's control stained as it should; null where not stated"),
        _REMARKS,
        _STATUS,
        _REASON,
    ),
)

CYCLIN_E_IHC = Table(
    name="cyclin_e_ihc",
    description="Cyclin E1 and E2 protein in tumour cells: H-scores of the readers together",
    grain="specimen x marker x compartment",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("marker", "Cyclin", nullable=False, key=True, allowed=CYCLINS),
        text("compartment", "Nuclear, or cytoplasmic", nullable=False, key=True, allowed=TUMOUR_CELL_COMPARTMENTS),
        real("h_score", "Consensus reading, else mean of the readers", unit="1", minimum=0, maximum=300),
        real("positive_pct", "Stained tumour cells", unit="%", minimum=0, maximum=101),
        integer("n_readers", "Readers", nullable=False, minimum=0),
        real("reader_difference", "Largest difference of two readers' H-scores; null for one", unit="1", minimum=0),
        boolean("adjudicate", "Whether the readers have to agree first", nullable=False),
        integer("n_cells", "Tumour nuclei counted (the smaller of the readers)", minimum=0),
        boolean("control_ok", "Whether the run's control stained as it should; null where not stated"),
        text("clone", "Clones of the antibody, separated by ;"),
        text("run", "Staining runs, separated by ;: pairs share one (cyclin_e_pairs)"),
        text("lot", "Lots of the antibody, separated by ;"),
        _REMARKS,
        _STATUS,
        _REASON,
    ),
)

CYCLIN_E_PAIRS = Table(
    name="cyclin_e_pairs",
    description="Change of cyclin E1 and E2 protein since baseline, where both sections were stained in one run",
    grain="timepoint x marker x compartment",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        text("marker", "Cyclin", nullable=False, key=True, allowed=CYCLINS),
        text("compartment", "Nuclear, or cytoplasmic", nullable=False, key=True, allowed=TUMOUR_CELL_COMPARTMENTS),
        real("baseline_h_score", "H-score at baseline", unit="1", minimum=0, maximum=300),
        real("h_score", "H-score at this timepoint", unit="1", minimum=0, maximum=300),
        real("h_score_change", "H-score minus that at baseline", unit="1", minimum=-300, maximum=300),
        text("run", "Staining run of both"),
        text(
            "remarks",
            "Remarks of both timepoints, where the two sections went through unlike things: a change may be the"
            " sections' alone. Null where they didn't.",
        ),
        _STATUS,
        _REASON,
    ),
)

IHC_IMAGES = Table(
    name="ihc_images",
    description="Brown nuclei counted in delivered DAB images, held against the reading of the same section",
    grain="image",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("image_sha256", "Hash of the image's file", nullable=False, key=True),
        text("marker", "Stained antigen", nullable=False, allowed=MARKERS),
        real("mpp", "Resolution that the image states", unit="um/px", nullable=False, minimum=0),
        integer("n_tiles", "Tiles of 256 um that were counted", nullable=False, minimum=0),
        integer("n_nuclei", "Nuclei found", nullable=False, minimum=0),
        real("positive_pct", "Brown nuclei; a cross-check, no score", unit="%", minimum=0, maximum=100),
        real("dab_area_pct", "Brown area of the counted tiles", unit="%", minimum=0, maximum=100),
        real("reader_pct", "Positive cells as read on that specimen", unit="%", minimum=0, maximum=101),
        real("difference_points", "The image's share minus the reading's", unit="points", minimum=-101, maximum=100),
        boolean("agrees", "Whether the two are within the tolerance; null where they can't be compared"),
        _STATUS,
        _REASON,
    ),
)

TABLES = (TIL_MODEL, TIL_SCORES, IHC_SCORES, TIL_MARKER_IHC, CYCLIN_E_IHC, CYCLIN_E_PAIRS, IHC_IMAGES)
