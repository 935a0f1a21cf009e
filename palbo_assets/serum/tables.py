"""The typed tables of the ELISA."""

from __future__ import annotations

from palbo_assets.platform.tables import PATIENT_ID, SPECIMEN_ID, TIMEPOINT, Table, boolean, integer, real, text
from palbo_assets.serum.layout import BRIDGE, QC_LEVELS
from palbo_assets.study.vocabulary import STATUSES, TIMEPOINTS

_PLATE_ID = text("plate_id", "Plate as its layout names it", nullable=False, key=True)
_CENSORED = text(
    "censored",
    "'<' below the lower, '>' above the upper limit of quantification; null where the value stands or wasn't read",
    allowed=("<", ">"),
)
_STATUS = text("status", "OBSERVED, or why there is no value", nullable=False, allowed=STATUSES)
_REASON = text("reason", "Named cause of a missing value")
_LLOQ = real(
    "lloq_pg_ml",
    "Lower limit of quantification in the specimen (lowest passing standard x dilution)",
    unit="pg/mL",
    minimum=0,
)
_ULOQ = real(
    "uloq_pg_ml",
    "Upper limit of quantification in the specimen (highest passing standard x dilution)",
    unit="pg/mL",
    minimum=0,
)
_CONCENTRATION = real(
    "concentration_pg_ml", "Neuregulin-1 in serum; null when censored or not believed, never 0", unit="pg/mL", minimum=0
)
_LOW = real("concentration_low_pg_ml", "Lower limit of its 95 % interval, of wells and curve", unit="pg/mL", minimum=0)
_HIGH = real("concentration_high_pg_ml", "Upper limit of its 95 % interval", unit="pg/mL", minimum=0)
_LOG_SE = real(
    "log_se", "Standard error of the natural logarithm of the concentration, within the plate", unit="1", minimum=0
)
_CV = real("cv_pct", "Coefficient of variation of the replicates' concentrations", unit="%", minimum=0)

ELISA_PLATES = Table(
    name="elisa_plates",
    description="Neuregulin-1 ELISA plates: standard curve, limits of quantification, acceptance by ICH M10",
    grain="plate",
    columns=(
        _PLATE_ID,
        boolean("accepted", "Whether standards and quality controls pass", nullable=False),
        text("reasons", "Why the plate is rejected, ';' between the names"),
        real("a", "Logistic curve: response at zero dose, blank subtracted", unit="{OD}"),
        real("b", "Logistic curve: slope", unit="1", minimum=0),
        real("c", "Logistic curve: mid-point", unit="pg/mL", minimum=0),
        real("d", "Logistic curve: response at infinite dose, blank subtracted", unit="{OD}"),
        real("g", "Asymmetry of the five-parameter curve; 1 with four", unit="1", minimum=0),
        integer("curve_parameters", "4, or 5 where four made no acceptable curve", minimum=4, maximum=5),
        real("outer_cv_pct", "Scatter of replicates in the plate's outer wells; null with few", unit="%", minimum=0),
        real("inner_cv_pct", "Scatter of replicates in its inner wells", unit="%", minimum=0),
        boolean("edge_effect", "Whether the outer wells scatter more than the settings allow; null with few"),
        real("lloq_pg_ml", "Lowest standard that passes, in the well", unit="pg/mL", minimum=0),
        real("uloq_pg_ml", "Highest standard that passes, in the well", unit="pg/mL", minimum=0),
        real(
            "lod_pg_ml",
            "Concentration at 3 standard deviations above the blank; null off the curve",
            unit="pg/mL",
            minimum=0,
        ),
        integer("n_standards", "Levels of non-zero standards", nullable=False, minimum=0),
        integer(
            "n_standards_passing",
            "Levels whose back-calculated concentration is within tolerance",
            nullable=False,
            minimum=0,
        ),
        integer("n_qc", "Quality-control wells", nullable=False, minimum=0),
        integer("n_qc_passing", "Quality-control wells within tolerance", nullable=False, minimum=0),
        real("blank_od", "Mean of the blanks, reference wavelength subtracted", unit="{OD}"),
        real("blank_sd_od", "Standard deviation of the blanks; null with a single blank", unit="{OD}", minimum=0),
        integer("n_specimens", "Specimens on the plate", nullable=False, minimum=0),
    ),
)

ELISA_RESULTS = Table(
    name="elisa_results",
    description="Each specimen on each neuregulin-1 plate, one row a dilution",
    grain="plate x specimen x dilution",
    columns=(
        _PLATE_ID,
        SPECIMEN_ID,
        real("dilution", "Factor from the well to the specimen", unit="1", nullable=False, key=True, minimum=1),
        text("patient_id", "Study pseudonym of the patient", nullable=False),
        text("timepoint", "Canonical timepoint of the visit", nullable=False, allowed=TIMEPOINTS),
        _CONCENTRATION,
        _LOW,
        _HIGH,
        _LOG_SE,
        _CV,
        _CENSORED,
        _LLOQ,
        _ULOQ,
        integer("n_replicates", "Wells with a usable absorbance", nullable=False, minimum=0),
        integer(
            "timepoints_on_plate",
            "Timepoints of this patient on the plate; pairs share a plate",
            nullable=False,
            minimum=1,
        ),
        real("parallelism_pct", "Share of the value at the lowest dilution; null with one", unit="%", minimum=0),
        boolean("plate_accepted", "Whether the plate is accepted", nullable=False),
        _STATUS,
        _REASON,
    ),
)

NRG1_ELISA = Table(
    name="nrg1_elisa",
    description="Serum neuregulin-1, one value a specimen",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        _CONCENTRATION,
        _LOW,
        _HIGH,
        _LOG_SE,
        _CV,
        _CENSORED,
        _LLOQ,
        _ULOQ,
        text("plate_id", "Plate that the row was read on", nullable=False),
        boolean("plate_accepted", "Whether that plate is accepted", nullable=False),
        real("dilution", "Factor from the well to the specimen", unit="1", nullable=False, minimum=1),
        integer("n_plates", "Accepted plates that hold the specimen", nullable=False, minimum=0),
        boolean("paired_plate", "Whether another timepoint of the patient is on the same plate", nullable=False),
        _STATUS,
        _REASON,
    ),
)

ELISA_CONTROLS = Table(
    name="elisa_controls",
    description="Quality-control and bridge wells of each neuregulin-1 plate",
    grain="plate x well",
    columns=(
        _PLATE_ID,
        text("well", "Well of the 96-well plate", nullable=False, key=True),
        text("level", "QC_L, QC_M, QC_H, or BRG for the bridge sample", nullable=False, allowed=(*QC_LEVELS, BRIDGE)),
        text("control_id", "Level of the control, or name of the bridge sample", nullable=False),
        real("nominal_pg_ml", "Stated concentration; null for a bridge", unit="pg/mL", minimum=0),
        real("concentration_pg_ml", "Measured, times the dilution; null off the curve", unit="pg/mL", minimum=0),
        real("recovery_pct", "Measured, of nominal", unit="%", minimum=0),
        boolean("passed", "Within tolerance of nominal; null for a bridge"),
    ),
)

ELISA_CONTROL_CHART = Table(
    name="elisa_control_chart",
    description="Each control and bridge sample on each plate, against the same one on all plates",
    grain="plate x control",
    columns=(
        _PLATE_ID,
        text("control_id", "Level of the control, or name of the bridge sample", nullable=False, key=True),
        text("level", "QC_L, QC_M, QC_H or BRG", nullable=False, allowed=(*QC_LEVELS, BRIDGE)),
        integer("n_wells", "Wells on the plate that could be read", nullable=False, minimum=0),
        real("concentration_pg_ml", "Geometric mean of the plate's wells", unit="pg/mL", minimum=0),
        integer("n_plates", "Plates that hold the control", nullable=False, minimum=1),
        real("median_pg_ml", "Median over these plates", unit="pg/mL", minimum=0),
        real("deviation_pct", "The plate's value from that median", unit="%"),
        real(
            "plate_log_sd",
            "Standard deviation between plates, natural logarithm; null with few plates",
            unit="1",
            minimum=0,
        ),
        real("z", "Deviation in standard deviations between plates", unit="1"),
        boolean("within_tolerance", "Within the bridge tolerance; null with few plates"),
    ),
)

NRG1_CHANGES = Table(
    name="nrg1_changes",
    description="Change of serum neuregulin-1 from baseline, with the uncertainty of wells, curve and plates",
    grain="patient x later timepoint",
    columns=(
        PATIENT_ID,
        text("timepoint", "Later timepoint", nullable=False, allowed=TIMEPOINTS, key=True),
        real("log2_ratio", "Later over baseline", unit="log2"),
        real("log2_low", "Lower limit of its 95 % interval", unit="log2"),
        real("log2_high", "Upper limit of its 95 % interval", unit="log2"),
        boolean("same_plate", "Whether both were read on one plate"),
        real(
            "plate_log2_sd",
            "Standard deviation between plates that the interval carries; 0 on one plate",
            unit="log2",
            minimum=0,
        ),
        text("direction", "Where a limit hides one of the two: which way it went", allowed=("up", "down")),
        text("status", "OBSERVED, or why there is no ratio", nullable=False, allowed=STATUSES),
        _REASON,
    ),
)

TABLES = (ELISA_PLATES, ELISA_CONTROLS, ELISA_RESULTS, NRG1_ELISA, ELISA_CONTROL_CHART, NRG1_CHANGES)
