"""The tables that the resistance room publishes. The wide ones derive from the catalogue of features and mechanisms."""

from __future__ import annotations

from dataclasses import replace

from palbo_assets.clinical.tables import PATIENTS, TREATMENT_RESPONSE
from palbo_assets.platform.tables import PATIENT_ID, TIMEPOINT, Column, Table, Type, boolean, integer, real, text
from palbo_assets.resistance.features import Catalogue, Feature, Grain, Pairing, load_features
from palbo_assets.resistance.mechanisms import SOURCES, load_mechanisms
from palbo_assets.study.vocabulary import CHOSEN_FROM_COHORT, OBSERVED, STATUSES, State, Timepoint, Transition

CATALOGUE = load_features()
MECHANISMS = load_mechanisms()

_STATES = tuple(map(str, State))
VERDICTS = (
    Transition.ACQUIRED,
    Transition.PREEXISTING,
    Transition.PREEXISTING_SUBCLONAL_EXPANDED,
    Transition.PD_ONLY_INDETERMINATE,
    Transition.NOT_EVALUABLE,
)
"""What may be said of one alteration of progression."""
_TRANSITIONS = tuple(map(str, Transition))
_POWER = {"unit": "1", "minimum": 0.0, "maximum": 1.0}
_CHANGE_UNIT = {Pairing.LOG2_RATIO: "log2", Pairing.LOG2_RATIO_PLUS_ONE: "log2"}


def _facts_table(name: str, description: str, features: Catalogue) -> Table:
    return Table(
        name=name,
        description=description,
        grain="patient x timepoint x feature",
        columns=(
            PATIENT_ID,
            TIMEPOINT,
            text("feature", "Feature of the catalogue", nullable=False, key=True, allowed=features.names),
            text("specimen_id", "Specimen that the value is from; null where it is of several"),
            real("value", "Value in `unit`; null unless OBSERVED, and for texts", unit="see unit"),
            text("value_text", "Value of a text or yes/no feature; null unless OBSERVED"),
            text("unit", "Unit of the value; empty for text", nullable=False),
            text("censor", "'<' below, '>' above the limit in lod; else empty", nullable=False, allowed=("", "<", ">")),
            real("lod", "The limit that a censored value lies beyond", unit="see unit"),
            text("status", "OBSERVED, or why there is no value", nullable=False, allowed=STATUSES),
            text("reason", "The named cause behind the status; empty where OBSERVED", nullable=False),
            text("source_asset", "Product that the value is from", nullable=False),
            text("source_partition", "Partition of that product"),
            text("source_data_version", "Data version of that partition"),
        ),
    )


FACTS = _facts_table(
    "facts",
    "Every feature of every sample that was measured, each with its status and its source",
    CATALOGUE.at(Grain.SAMPLE),
)
PATIENT_FACTS = _facts_table(
    "patient_facts",
    "Features that need a patient's samples beside each other, as facts. Those of a pair stand at progression.",
    CATALOGUE.at(Grain.PATIENT, Grain.PAIR),
)
COHORT_FACTS = _facts_table(
    "cohort_facts",
    "Features of samples that need other patients' samples beside them, as facts",
    CATALOGUE.at(Grain.COHORT),
)

RESISTANCE_STATES = Table(
    name="resistance_states",
    description="Mechanisms of resistance at each timepoint by each source; ABSENT always rests on measured power",
    grain="patient x timepoint x mechanism x source",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        text("mechanism", "Code of the mechanism", nullable=False, key=True, allowed=MECHANISMS.codes),
        text("source", "Modality that it is stated from", nullable=False, key=True, allowed=SOURCES),
        text("state", "State", nullable=False, allowed=_STATES),
        real("value", "What the state rests on, in `unit`", unit="see unit"),
        real("value_low", "Lower end of the 95 % interval of a fraction", unit="see unit"),
        real("value_high", "Upper end of the 95 % interval of a fraction", unit="see unit"),
        text("unit", "CCF: share of tumour cells; VAF: allele fraction; or the measure's own unit"),
        real("threshold", "Threshold of a measured mechanism, in `unit`", unit="see unit"),
        real("power", "Probability that the sample would have shown the alteration", **_POWER),
        boolean("trace", "Seen above background, below the calling limit", nullable=False),
        text("reason", "Why the state is NOT_EVALUABLE, or what to mind", nullable=False),
        text("hgvsp", "Protein changes in question, joined by ;", nullable=False),
        text("evidence", "Variants (chrom:pos:ref:alt) or what was compared, joined by ;", nullable=False),
        boolean(
            "chosen_from_cohort",
            "Plasma would state something else without the loci that its panel has because of"
            " what this cohort showed: no evidence of how common the mechanism is in it; null for other sources",
        ),
    ),
)

RESISTANCE_TRANSITIONS = Table(
    name="resistance_transitions",
    description="What became of each mechanism between baseline and progression",
    grain="patient x mechanism",
    columns=(
        PATIENT_ID,
        text("mechanism", "Code of the mechanism", nullable=False, key=True, allowed=MECHANISMS.codes),
        text("baseline_state", "State over all sources; null for a mechanism that is itself a change", allowed=_STATES),
        text("progression_state", "State over all sources", nullable=False, allowed=_STATES),
        text("transition", "What became of it", nullable=False, allowed=_TRANSITIONS),
        real("power", "Power of the side where nothing was found; null where none is needed or known", **_POWER),
        text("reason", "Why it is not evaluable or indeterminate, or what to mind", nullable=False),
        text("sources", "Sources in which it was seen, joined by ;", nullable=False),
        text("hgvsp", "Protein changes seen, joined by ;", nullable=False),
        text("evidence", "Variants seen (chrom:pos:ref:alt), joined by ;", nullable=False),
        boolean(
            "chosen_from_cohort",
            "Without states of that flag in `resistance_states` another transition would be"
            " stated: true of this patient, and left out of the paired tests; null where no plasma was asked",
        ),
    ),
)


def status_column(name: str) -> Column:
    """The companion that says why ``name`` is null."""
    return text(f"{name}__status", f"OBSERVED, or why {name} is null", nullable=False, allowed=STATUSES)


def _plain(column: Column, prefix: str = "clinical__") -> Column:
    return replace(column, name=f"{prefix}{column.name}", key=False, nullable=True)


CLINICAL_OF_PATIENTS = (
    "site", "cohorts", "eligible", "et_partner", "er_pct", "visceral", "bone_only", "prior_lines_met", "pd_day",
)  # fmt: skip
CLINICAL_OF_RESPONSE = (
    "best_overall_response", "pfs_days", "pfs_months", "pfs_event", "resistance_class", "clinical_benefit",
)  # fmt: skip
CLINICAL_COLUMNS: tuple[Column, ...] = (
    *(_plain(PATIENTS[name]) for name in CLINICAL_OF_PATIENTS),
    *(_plain(TREATMENT_RESPONSE[name]) for name in CLINICAL_OF_RESPONSE),
)
SAMPLE_DAY = integer("clinical__sample_day", "Day of the timepoint's first specimen, days from first dose", unit="d")
MECHANISM_COLUMNS: tuple[Column, ...] = tuple(
    text(mechanism.column, f"{mechanism.description}: state over all sources", allowed=("PRESENT", "ABSENT"))
    for mechanism in MECHANISMS.listed
)


def _value_column(feature: Feature, suffix: str = "", words: str = "") -> Column:
    return Column(f"{feature.name}{suffix}", feature.type, f"{feature.description}{words}", unit=feature.unit)


def _with_status(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(one for column in columns for one in (column, status_column(column.name)))


INTEGRATED_RESISTANCE_TABLE = Table(
    name="integrated_resistance_table",
    description="All modalities side by side, every enrolled patient at every timepoint; each null has its reason",
    grain="patient x timepoint",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        integer("timepoint_order", "Clinical order of the timepoint, 0 for baseline", nullable=False, minimum=0),
        boolean("withdrawn", "Consent withdrawn: the row holds nothing else", nullable=False),
        integer("n_modalities", "Modalities with at least one observed value", nullable=False, minimum=0),
        *_with_status((SAMPLE_DAY, *CLINICAL_COLUMNS)),
        *_with_status(tuple(_value_column(feature) for feature in CATALOGUE.of_samples)),
        *_with_status(MECHANISM_COLUMNS),
    ),
)


def _pair_columns(feature: Feature) -> tuple[Column, ...]:
    found = [
        _value_column(feature, "__bl", " (baseline)"),
        _value_column(feature, "__pd", " (progression)"),
    ]
    if feature.compared:
        unit = _CHANGE_UNIT.get(feature.pairing, feature.unit)
        words = "log2 of progression to baseline" if unit == "log2" else "progression minus baseline"
        if feature.pairing is Pairing.LOG2_RATIO_PLUS_ONE:
            words += ", each plus 1"
        found.append(Column(f"{feature.name}__delta", Type.REAL, f"{feature.description}: {words}", unit=unit))
    status = f"OBSERVED when both sides of {feature.name} are, or why not"
    found.append(text(f"{feature.name}__pair_status", status, nullable=False, allowed=STATUSES))
    return tuple(found)


INTEGRATED_RESISTANCE_PAIRS = Table(
    name="integrated_resistance_pairs",
    description="Baseline beside progression: each feature's two values, its change, and whether the pair may be used",
    grain="patient",
    columns=(
        PATIENT_ID,
        boolean("withdrawn", "Consent withdrawn: the row holds nothing else", nullable=False),
        boolean("identity_blocked", "A sample of the pair isn't the patient's: no change is stated", nullable=False),
        integer("n_pairs", "Features with both sides observed", nullable=False, minimum=0),
        text(
            "primary_mechanism",
            "First of the mechanisms gained or expanded in the order of attribution; the others stand beside it",
            nullable=False,
            allowed=(*MECHANISMS.codes, "unexplained", "not_evaluable", "WITHDRAWN"),
        ),
        *_with_status(CLINICAL_COLUMNS),
        *_with_status(tuple(_value_column(feature) for feature in CATALOGUE.of_pairs)),
        *(column for feature in CATALOGUE.side_by_side for column in _pair_columns(feature)),
        *(
            text(f"{mechanism.column}__transition", f"{mechanism.description}: what became of it", nullable=False,
                 allowed=(*_TRANSITIONS, "WITHDRAWN"))
            for mechanism in MECHANISMS.listed
            if Timepoint.PD in mechanism.timepoints
        ),
    ),
)  # fmt: skip

RESISTANCE_STATISTICS = Table(
    name="resistance_statistics",
    description="Paired tests over the cohort, each with its denominators and the size of its family",
    grain="family x item",
    columns=(
        text("family", "Hypotheses that were adjusted together", nullable=False, key=True),
        text("item", "Mechanism or feature", nullable=False, key=True),
        text("test", "Test", nullable=False, allowed=("mcnemar_exact", "wilcoxon_signed_rank")),
        integer("n_eligible", "Patients for whom a pair was planned or measured", nullable=False, minimum=0),
        integer("n_pairs", "Evaluable pairs: the denominator", nullable=False, minimum=0),
        integer("n_up", "Pairs with the mechanism at progression alone, or with a rise", nullable=False, minimum=0),
        integer("n_down", "Pairs with the mechanism at baseline alone, or with a fall", nullable=False, minimum=0),
        integer("n_baseline", "Pairs with the mechanism at baseline; null for features", minimum=0),
        integer("n_progression", "Pairs with the mechanism at progression; null for features", minimum=0),
        integer("n_zero", "Pairs without any change (left out of the signed ranks); null for mechanisms", minimum=0),
        integer(
            "n_chosen_from_cohort",
            "Evaluable pairs left out of every count but `n_eligible`, because their"
            " transition rests on loci that this cohort's findings put on the panel; null for features",
            minimum=0,
        ),
        real("estimate", "Hodges-Lehmann shift of the change, or difference of shares", unit="see unit"),
        real("ci_low", "Lower end of its 95 % interval; null for mechanisms", unit="see unit"),
        real("ci_high", "Upper end of its 95 % interval; null for mechanisms", unit="see unit"),
        text("unit", "Unit of the estimate", nullable=False),
        real("p_value", "Two-sided exact p; null when not testable", **_POWER),
        real("q_value", "Benjamini-Hochberg within the family; null when not testable", **_POWER),
        integer("family_size", "Tests that the family holds", nullable=False, minimum=0),
        text("status", "OBSERVED, or NOT_EVALUABLE", nullable=False, allowed=(OBSERVED, "NOT_EVALUABLE")),
        text("reason", "Why it isn't testable; empty otherwise", nullable=False),
    ),
)

ACQUIRED_ALTERATIONS = Table(
    name="acquired_alterations",
    description="Each alteration that a tumour or plasma shows at progression, and whether it was acquired: whether a"
    " baseline sample that would have shown it didn't",
    grain="variant x patient",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        text("chrom", "Contig", nullable=False, key=True),
        integer("pos", "Position of the VCF alleles, 1-based", unit="bp", minimum=1, nullable=False, key=True),
        text("ref", "Reference allele, left-aligned", nullable=False, key=True),
        text("alt", "Alternative allele, left-aligned", nullable=False, key=True),
        text("gene", "Gene symbol"),
        text("consequence", "MAF variant class; null for an allele that only plasma's list of tracked sites names"),
        text("hgvsp_short", "Protein change"),
        boolean("lof", "Loss of function; null where unknown"),
        boolean("hotspot", "Listed hotspot; null where only plasma shows it"),
        boolean("protein_changing", "Changes the protein, by class or by the change stated", nullable=False),
        text("seen_in", "Kinds of samples that show it at progression, ';'-joined", nullable=False),
        real("max_vaf", "Largest allele fraction among them", unit="1", minimum=0, maximum=1),
        text("verdict", "acquired; there before (preexisting); there as a trace, or in another kind of sample only"
             " (preexisting_subclonal_expanded); looked at without power (pd_only_indeterminate); or not_evaluable",
             nullable=False, allowed=VERDICTS),
        real("power", "Power of baseline to show it; null where nothing was looked at, or none is needed", **_POWER),
        text("reason", "Why it isn't acquired, and what silenced the baseline", nullable=False),
        text("baseline", "What each baseline sample says: kind, counts, state, reason; ';'-joined", nullable=False),
        boolean("confident", "Nothing speaks against it, so a probe may be ordered", nullable=False),
        text("doubts", "few_fragments, formalin, in_white_cells, origin_not_shown; ';'-joined", nullable=False),
    ),
)  # fmt: skip

CTDNA_PANEL_EXTENSION = Table(
    name="ctdna_panel_extension",
    description="Targets to add to the panel, from alterations acquired in this cohort (evaluating the extended panel"
    " on the same patients is circular)",
    grain="proposed target",
    columns=(
        text("chrom", "Contig", nullable=False, key=True),
        integer("start", "Start, 0-based", unit="bp", minimum=0, nullable=False, key=True),
        integer("end", "End, exclusive", unit="bp", minimum=1, nullable=False, key=True),
        text("gene", "Genes of the alterations, ','-joined", nullable=False),
        text("reason", "Grounds, ';'-joined: recurrent_variant, recurrent_gene, driver_hotspot,"
             " driver_loss_of_function", nullable=False),
        text("source_patients", "Patients in whom the alterations were acquired, ';'-joined", nullable=False),
        integer("n_patients", "How many", unit="1", minimum=1, nullable=False),
        text("variants", "Gene and protein change of the alterations, ';'-joined", nullable=False),
        real("gc_pct", "GC of the target; null without a genome reference", unit="%", minimum=0, maximum=100),
        text("gc_flag", "Whether GC is fit for capture", nullable=False, allowed=("ok", "low", "high", "unknown")),
        real("mappable_pct", "Bases of the target that map uniquely and aren't blacklisted; null without such a list",
             unit="%", minimum=0, maximum=100),
        text("mappability_flag", "Whether reads of the target can be placed", allowed=("ok", "low", "unknown")),
        integer("size_delta_bp", "Bases that the target adds to the panel", unit="bp", minimum=0, nullable=False),
        text("base_panel_version", "Panel version that the proposal extends", nullable=False),
        integer("longest_run_bp", "Longest homopolymer of the target; null without a genome reference", unit="bp",
                minimum=0),
        text("homopolymer_flag", "Whether polymerases may slip in the target", allowed=("ok", "long", "unknown")),
        boolean("pseudogene_flag", "Whether a gene of the target has close copies elsewhere in the genome"),
        text("circularity", "What the target can't be used for: chosen from source_patients, it says nothing of how"
             " common its alteration is in them", allowed=(CHOSEN_FROM_COHORT,)),
    ),
)  # fmt: skip

DATA_DICTIONARY = Table(
    name="data_dictionary",
    description="Every column of every product",
    grain="column",
    columns=(
        text("table_name", "Table, also the asset", nullable=False, key=True),
        text("column_name", "Column", nullable=False, key=True),
        integer("position", "Place of the column in its table, from 1", nullable=False, minimum=1),
        text("type", "Storage type", nullable=False, allowed=tuple(map(str, Type))),
        text("unit", "Unit; null where there is none"),
        text("description", "Meaning", nullable=False),
        text("allowed_values", "Key, vocabulary and range; null where free"),
        text("grain", "What one row of the table is", nullable=False),
        text("source", "Product that a wide column's value is from; null elsewhere"),
    ),
)

TABLES = (
    FACTS,
    PATIENT_FACTS,
    COHORT_FACTS,
    RESISTANCE_STATES,
    RESISTANCE_TRANSITIONS,
    INTEGRATED_RESISTANCE_TABLE,
    INTEGRATED_RESISTANCE_PAIRS,
    RESISTANCE_STATISTICS,
    ACQUIRED_ALTERATIONS,
    CTDNA_PANEL_EXTENSION,
    DATA_DICTIONARY,
)
