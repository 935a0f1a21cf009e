"""What the clinical room publishes. Days count from the first dose of palbociclib; there are no calendar dates."""

from __future__ import annotations

from palbo_assets.clinical.adam import Agreement
from palbo_assets.clinical.delivery_ledger import DeliveryState
from palbo_assets.clinical.endocrine import EndocrineSensitivity
from palbo_assets.clinical.recist import RESPONSES
from palbo_assets.clinical.sample_manifest import UNASSIGNED, SpecimenStatus
from palbo_assets.clinical.survival import CensorReason, EventBasis, ResistanceClass
from palbo_assets.platform.tables import PATIENT_ID, SPECIMEN_ID, TIMEPOINT, Table, boolean, integer, real, text
from palbo_assets.study.protocol import PD_LATE, UNSCHEDULED, Specimen
from palbo_assets.study.vocabulary import TIMEPOINTS, Modality

_MODALITIES = tuple(map(str, Modality))
_CODES = "Codes of open queries, joined by ;"

PATIENTS = Table(
    name="patients",
    description="Every patient of the clinical export: cohort, eligibility, consent, disease at baseline, milestones."
    " Of a withdrawn patient nothing but cohort, site and the withdrawal is kept.",
    grain="patient",
    columns=(
        PATIENT_ID,
        text("site", "Site that enrolled the patient"),
        text("cohorts", "Cohorts of the protocol, joined by ;"),
        boolean("withdrawn", "Consent withdrawn, data and samples not to be used", nullable=False),
        text("withdrawal_scope", "What the patient withdrew from: stop_followup, destroy_samples, stop_use"),
        boolean("consented", "Consent to genomic research or biobanking given"),
        boolean("consent_genomic", "Consent to sequencing given"),
        boolean("eligible", "Meets inclusion and exclusion; null while a criterion can't be judged"),
        text("eligibility_reason", "Criteria that fail or are unknown"),
        integer("n_queries", "Open queries about the patient", minimum=0, nullable=False),
        text("queries", _CODES),
        text("sex", "Sex as recorded"),
        integer("age_years", "Age in the year of consent, 90 for 90 and above", unit="a", minimum=0, maximum=90),
        text("menopausal_status", "Menopausal status as recorded"),
        text("stage", "Stage as recorded"),
        integer("ecog", "ECOG performance status", minimum=0, maximum=5),
        real("er_pct", "Tumour nuclei positive for oestrogen receptor", unit="%", minimum=0, maximum=100),
        real("pr_pct", "Tumour nuclei positive for progesterone receptor", unit="%", minimum=0, maximum=100),
        boolean("er_low", "Oestrogen receptor low positive, 1 to 10 %"),
        text("her2", "HER2 status", allowed=("negative", "positive", "unknown")),
        text("et_partner", "Endocrine treatment given with palbociclib"),
        text("endo_sensitivity", "Endocrine sensitivity at entry as recorded"),
        text(
            "endo_sensitivity_derived",
            "Endocrine sensitivity by the dates of earlier treatment (ESO-ESMO ABC5); null where they decide nothing",
            allowed=tuple(map(str, EndocrineSensitivity)),
        ),
        boolean("de_novo", "Metastatic at first diagnosis"),
        real("dfi_months", "Disease-free interval", unit="mo", minimum=0),
        boolean("visceral", "Visceral disease at baseline"),
        boolean("bone_only", "Disease in bone alone at baseline"),
        integer("n_met_sites", "Number of metastatic sites at baseline", minimum=0),
        text("met_sites", "Metastatic sites at baseline, joined by ;"),
        integer("prior_lines_met", "Earlier lines of treatment for metastatic disease", minimum=0),
        boolean("prior_ct", "Earlier chemotherapy"),
        boolean("prior_et", "Earlier endocrine treatment"),
        boolean("prior_cdk46i", "Earlier CDK4/6 inhibitor"),
        boolean("treated", "A first dose is recorded", nullable=False),
        integer("pd_day", "Progression by RECIST", unit="d", minimum=0),
        integer("death_day", "Death", unit="d"),
        integer("next_line_day", "First dose of the next line of treatment", unit="d"),
        integer("last_contact_day", "Last contact", unit="d"),
        integer("data_cut_day", "Last date of the whole clinical export, in the patient's days", unit="d"),
    ),
)

RESPONSE_VISITS = Table(
    name="response_visits",
    description="RECIST 1.1 of every tumour assessment after baseline, computed from the measurements",
    grain="patient x visit",
    columns=(
        PATIENT_ID,
        integer("visit_day", "Day of the assessment", unit="d", nullable=False, key=True),
        real("sum_mm", "Sum of diameters of the target lesions; null unless all were measured", unit="mm", minimum=0),
        real("nadir_mm", "Smallest sum before this visit, baseline included", unit="mm", minimum=0),
        real("change_from_baseline_pct", "Change of the sum from baseline", unit="%", minimum=-100),
        real("change_from_nadir_pct", "Change of the sum from its nadir", unit="%", minimum=-100),
        integer("n_targets", "Target lesions chosen at baseline", minimum=0, nullable=False),
        integer("n_measured", "Of those, measured at this visit", minimum=0, nullable=False),
        text("target_response", "Response of the target lesions; null without measurable disease", allowed=RESPONSES),
        text("nontarget_response", "Response of the non-target lesions; null without such", allowed=RESPONSES),
        boolean("new_lesion", "A new lesion was seen; null where that isn't recorded"),
        text("overall_response", "Overall response from the three above", allowed=RESPONSES, nullable=False),
        text("investigator_overall", "Overall response that the investigator recorded", allowed=RESPONSES),
        boolean("agrees", "Computed and recorded overall response agree; null where none is recorded"),
    ),
)

TREATMENT_RESPONSE = Table(
    name="treatment_response",
    description="Best response, progression-free survival and resistance class of every patient who isn't withdrawn",
    grain="patient",
    columns=(
        PATIENT_ID,
        text(
            "best_overall_response",
            "Best overall response up to progression, unconfirmed",
            allowed=RESPONSES,
            nullable=False,
        ),
        text(
            "confirmed_response",
            "Best overall response where CR and PR need a second visit four weeks later",
            allowed=RESPONSES,
        ),
        integer("pfs_days", "First dose to progression by RECIST or death, or to censoring", unit="d", minimum=0),
        boolean("pfs_event", "Progression or death observed; false means censored"),
        text("event_basis", "What the event was", allowed=tuple(map(str, EventBasis))),
        text("censor_reason", "Why the patient is censored; null with an event", allowed=tuple(map(str, CensorReason))),
        real("pfs_months", "pfs_days in months of 30.4375 days", unit="mo", minimum=0),
        text(
            "resistance_class",
            "primary: event before 6 months; acquired: event later; none_yet: censored",
            allowed=tuple(map(str, ResistanceClass)),
        ),
        boolean("clinical_benefit", "CR, PR, or stable for 24 weeks; null while it can't be said"),
        integer("pfs_sensitivity_days", "PFS with events after missed assessments censored", unit="d", minimum=0),
        boolean("pfs_sensitivity_event", "Event of that analysis"),
        integer("n_assessments", "Tumour assessments after baseline", minimum=0, nullable=False),
        integer("n_evaluable", "Of those, evaluable", minimum=0, nullable=False),
    ),
)

ANALYSIS_COMPARISON = Table(
    name="analysis_comparison",
    description="The sponsor's ADaM analyses beside what this study derives from the same records",
    grain="patient x parameter",
    columns=(
        PATIENT_ID,
        text(
            "parameter",
            "PFS: progression-free survival; BOR: best overall response; CBOR: the same, confirmed",
            allowed=("BOR", "CBOR", "PFS"),
            nullable=False,
            key=True,
        ),
        real("sponsor_days", "Sponsor's survival, days after the first dose", unit="d", minimum=0),
        integer("own_days", "This study's survival", unit="d", minimum=0),
        boolean("sponsor_event", "Sponsor saw an event"),
        boolean("own_event", "This study saw an event"),
        text("sponsor_response", "Sponsor's response", allowed=RESPONSES),
        text("own_response", "This study's response", allowed=RESPONSES),
        text("verdict", "Whether the two agree, and in what not", allowed=tuple(map(str, Agreement)), nullable=False),
    ),
)

SAMPLE_MANIFEST = Table(
    name="sample_manifest",
    description="Every specimen that the protocol plans or a site took, for each modality that it serves",
    grain="patient x timepoint x specimen x modality",
    columns=(
        PATIENT_ID,
        text(
            "timepoint",
            "Timepoint by the day of collection; PD_LATE: after the next line began; UNSCHED: in no window",
            allowed=(*map(str, TIMEPOINTS), PD_LATE, UNSCHEDULED),
            nullable=False,
            key=True,
        ),
        SPECIMEN_ID,
        text("modality", "Modality that the specimen serves", allowed=(*_MODALITIES, UNASSIGNED), key=True),
        text("specimen_type", "Kind of specimen", allowed=tuple(map(str, Specimen)), nullable=False),
        boolean("expected", "Planned by the protocol for the patient's cohorts", nullable=False),
        text("status", "What became of it", allowed=tuple(map(str, SpecimenStatus)), nullable=False),
        text("reason", "Why it isn't there, or why it isn't planned"),
        integer("collected_day", "Day of collection", unit="d"),
        text("timepoint_source", "What the timepoint follows from", allowed=("day", "label")),
        text("label_timepoint", "Timepoint that the site's label means", allowed=tuple(map(str, TIMEPOINTS))),
        text("anatomic_site", "Where the specimen was taken"),
        real("processing_hours", "Collection to processing", unit="h"),
        text("queries", _CODES),
    ),
)

DELIVERY_LEDGER = Table(
    name="delivery_ledger",
    description="Every patient x timepoint x assay: what the protocol expects, and what became of it",
    grain="patient x timepoint x assay",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        text("assay", "Assay of the protocol", nullable=False, key=True),
        text("modality", "Modality of its files", allowed=_MODALITIES, nullable=False),
        boolean("expected", "Planned by the protocol for the patient's cohorts", nullable=False),
        text("state", "State of the cell", allowed=tuple(map(str, DeliveryState)), nullable=False),
        text("reason", "Why it is in that state, or the landing's reason code"),
        text("received_at", "When the newest accepted file arrived (ISO 8601, UTC)"),
        integer("due_day", "Last day of the visit's window", unit="d"),
        integer("overdue_day", "Last day on which a delivery isn't late", unit="d"),
    ),
)

ACCRUAL = Table(
    name="accrual",
    description="The study's funnel from screening to baseline/progression pairs against the registry's plan",
    grain="stage",
    columns=(
        text("stage", "Stage of the funnel", nullable=False, key=True),
        integer("position", "Order of the stages", minimum=1, nullable=False),
        integer("n", "Patients who reached it", minimum=0, nullable=False),
        integer("planned", "Planned number", minimum=0),
        real("pct", "Share of the patients of `of_stage`", unit="%", minimum=0, maximum=100),
        real("pct_low", "Lower limit of its 95 % interval (Clopper and Pearson)", unit="%", minimum=0, maximum=100),
        real("pct_high", "Upper limit of its 95 % interval", unit="%", minimum=0, maximum=100),
        text("of_stage", "Stage that pct is a share of"),
        real("planned_pct", "Planned share", unit="%", minimum=0, maximum=100),
        integer("projected_study_day", "Days from the study's first consent to the last planned pair", unit="d"),
        integer("projected_low", "Earliest day of its 95 % interval (Poisson rate, exact)", unit="d"),
        integer("projected_high", "Latest day of its 95 % interval", unit="d"),
    ),
)

BIOPSY_SELECTION = Table(
    name="biopsy_selection",
    description="Who among the progressed was biopsied again and who was not: whether the pairs stand for the others",
    grain="characteristic x level",
    columns=(
        text("characteristic", "Column of `patients` or of `treatment_response`", nullable=False, key=True),
        text("level", "Level of a category; `median` of a number", nullable=False, key=True),
        integer("n_biopsied", "Biopsied at progression, with the characteristic known", minimum=0, nullable=False),
        integer("n_not_biopsied", "Not biopsied, with the characteristic known", minimum=0, nullable=False),
        real("biopsied", "Share with the level, or the median, of the biopsied", unit="%; own for a median"),
        real("not_biopsied", "The same of those who were not", unit="%; own for a median"),
        real("standardised_difference", "Difference in units of the pooled standard deviation (Austin 2009)", unit="1"),
    ),
)

_STRATUM = (
    text("factor", "Column of `patients` that tells the groups apart; `all` for everybody", nullable=False, key=True),
    text("level", "Level of the factor", nullable=False, key=True),
)

SURVIVAL_CURVES = Table(
    name="survival_curves",
    description="Kaplan-Meier curves of progression-free survival, of all treated patients and of subgroups",
    grain="group x day",
    columns=(
        *_STRATUM,
        integer("day", "Day at which somebody had an event", unit="d", minimum=0, nullable=False, key=True),
        integer("n_at_risk", "Patients under observation just before", minimum=1, nullable=False),
        integer("n_events", "Events on that day", minimum=1, nullable=False),
        real("survival", "Share without event", unit="1", minimum=0, maximum=1, nullable=False),
        real("survival_low", "Lower limit of the 95 % interval; null at 0", unit="1", minimum=0, maximum=1),
        real("survival_high", "Upper limit of the 95 % interval; null at 0", unit="1", minimum=0, maximum=1),
    ),
)

SURVIVAL_COMPARISONS = Table(
    name="survival_comparisons",
    description="Progression-free survival of subgroups: numbers, medians, hazard ratio against the first level",
    grain="group",
    columns=(
        *_STRATUM,
        integer("n", "Treated patients", minimum=0, nullable=False),
        integer("n_events", "Of those, with progression or death", minimum=0, nullable=False),
        real("median_days", "Median; null where it isn't reached", unit="d", minimum=0),
        real("median_low", "Lower limit of its 95 % interval", unit="d", minimum=0),
        real("median_high", "Upper limit; null where it isn't reached", unit="d", minimum=0),
        text("reference_level", "Level that the hazard is compared with; null for the first level itself"),
        real("hazard_ratio", "Cox, one factor at a time, unadjusted", unit="1", minimum=0),
        real("hazard_low", "Lower limit of its 95 % interval", unit="1", minimum=0),
        real("hazard_high", "Upper limit of its 95 % interval", unit="1", minimum=0),
        real(
            "log_rank_p",
            "p of the log-rank test, not adjusted for the number of factors",
            unit="1",
            minimum=0,
            maximum=1,
        ),
        text("reason", "Why there is no hazard ratio"),
    ),
)

CLINICAL_QUERIES = Table(
    name="clinical_queries",
    description="What a data manager has to look at in the clinical export: places and rules, never values",
    grain="query",
    columns=(
        text("patient_id", "Study pseudonym of the patient; empty for a row of no patient", nullable=False, key=True),
        text("code", "Stable code of the rule", nullable=False, key=True),
        text("field", "Field of the export; empty where the question isn't about one", nullable=False, key=True),
        integer("row", "Line of the export as a spreadsheet shows it, 0 where it isn't one line", minimum=0, key=True),
        text("message", "What is doubtful", nullable=False),
    ),
)

TABLES = (
    PATIENTS,
    RESPONSE_VISITS,
    TREATMENT_RESPONSE,
    ANALYSIS_COMPARISON,
    SURVIVAL_CURVES,
    SURVIVAL_COMPARISONS,
    SAMPLE_MANIFEST,
    DELIVERY_LEDGER,
    ACCRUAL,
    BIOPSY_SELECTION,
    CLINICAL_QUERIES,
)
