"""The typed tables of the ELISA."""

from __future__ import annotations

from palbo_assets.platform.tables import PATIENT_ID, SPECIMEN_ID, TIMEPOINT, Table, boolean, integer, real, text
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
_CV = real("cv_pct", "Coefficient of variation of the replicates' concentrations", unit="%", minimum=0)

ELISA_PLATES = Table(
    name="elisa_plates",
    description="Neuregulin-1 ELISA plates: standard curve, limits of quantification, acceptance by ICH M10",
    grain="plate",
    columns=(
        _PLATE_ID,
        boolean("accepted", "Whether standards and quality controls pass", nullable=False),
        text("reasons", "Why the plate is rejected, ';' between the names"),
        real("a", "4PL response at zero dose, blank subtracted", unit="{OD}"),
        real("b", "4PL slope", unit="1", minimum=0),
        real("c", "4PL mid-point", unit="pg/mL", minimum=0),
        real("d", "4PL response at infinite dose, blank subtracted", unit="{OD}"),
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

TABLES = (ELISA_PLATES, ELISA_RESULTS, NRG1_ELISA)
