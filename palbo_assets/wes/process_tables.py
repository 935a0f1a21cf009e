"""Tables of what the whole exome tells of mutational processes: signatures, APOBEC, burden, scars."""

from __future__ import annotations

from palbo_assets.platform.tables import (
    PATIENT_ID,
    SPECIMEN_ID,
    TIMEPOINT,
    Column,
    Table,
    boolean,
    integer,
    real,
    text,
)
from palbo_assets.study.vocabulary import OBSERVED, Absence
from palbo_assets.wes.trinucleotides import CHANGES, CLASSES

SETS = ("all", "private", "shared")
APOBEC = "APOBEC"
"""Name of the row that adds up the signatures of APOBEC3."""

_FRACTION = {"unit": "1", "minimum": 0.0, "maximum": 1.0}
_STATUS = text("status", "Whether there is a value", nullable=False, allowed=(OBSERVED, Absence.NOT_EVALUABLE.value))
_REASON = text("reason", "Stable code of why there is none; null else")
_SET = text(
    "mutation_set",
    "Which mutations of the specimen: all; private to its timepoint (absent with power in the patient's other "
    "timepoints); shared with another timepoint",
    nullable=False,
    key=True,
    allowed=SETS,
)
_MUTATIONS = integer("mutations", "Somatic SNVs in the set", unit="SNVs", minimum=0)

MUTATION_SPECTRA = Table(
    name="mutation_spectra",
    description="Somatic SNVs of a tumour in the 96 classes of single-base substitutions",
    grain="class x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text(
            "sbs_class", "Substitution and its neighbours on the pyrimidine's strand", nullable=False, key=True,
            allowed=CLASSES,
        ),
        text("substitution", "Change of the pyrimidine", nullable=False, allowed=CHANGES),
        integer("mutations", "PASS SNVs of this class", unit="SNVs", nullable=False, minimum=0),
    ),
)  # fmt: skip

_SIGNATURE_COLUMNS: tuple[Column, ...] = (
    PATIENT_ID,
    TIMEPOINT,
    SPECIMEN_ID,
    _SET,
    text(
        "signature",
        "Signature as the profiles name it, or APOBEC: the sum of APOBEC3's signatures",
        nullable=False,
        key=True,
    ),
    _MUTATIONS,
    real("exposure", "Mutations that the refit ascribes to the signature", unit="SNVs", minimum=0.0),
    real("share", "Share of the mutations that the refit ascribes to the signature", **_FRACTION),
    real("low", "Lower end of the share's bootstrap interval", **_FRACTION),
    real("high", "Upper end of the share's bootstrap interval", **_FRACTION),
    text("dominant", "Signature with the largest share of the set; null without shares"),
    boolean("apobec_high", "Share and interval of APOBEC are above the limits; null on other rows"),
    real("cosine", "Similarity of the spectrum and its reconstruction", **_FRACTION),
    boolean("low_confidence", "Fewer mutations than a share should rest on"),
    text("profiles", "Where the profiles are from, and their version; null without any"),
    _STATUS,
    _REASON,
)
MUTATIONAL_SIGNATURES = Table(
    name="mutational_signatures",
    description="Shares of known signatures among all somatic SNVs of a tumour, with bootstrap intervals",
    grain="signature x specimen",
    columns=_SIGNATURE_COLUMNS,
)
PRIVATE_SIGNATURES = Table(
    name="private_signatures",
    description="The same for mutations private to a timepoint and for shared ones: what was active lately, and before",
    grain="signature x set x specimen",
    columns=(
        *_SIGNATURE_COLUMNS[:-2],
        integer("undetermined", "Called SNVs of the specimen that are in neither set", unit="SNVs", minimum=0),
        *_SIGNATURE_COLUMNS[-2:],
    ),
)

AGREEMENTS = ("both", "neither", "refit_only", "enrichment_only")
APOBEC_ENRICHMENT = Table(
    name="apobec_enrichment",
    description="Cytosine mutations at TCW over what the bases around them offer: a second opinion on APOBEC",
    grain="set x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        _SET,
        _MUTATIONS,
        integer("c_mutations", "C>T and C>G among them, either strand", unit="SNVs", minimum=0),
        integer("tcw_mutations", "Those of them at TCW", unit="SNVs", minimum=0),
        integer("c_context", "C and G within 20 bp of the mutated cytosines", unit="bases", minimum=0),
        integer("tcw_context", "TCW and WGA there", unit="motifs", minimum=0),
        real("fold", "tcw_mutations c_context / (c_mutations tcw_context)", unit="1", minimum=0.0),
        real("p_value", "One-sided Fisher p that TCW is enriched", **_FRACTION),
        real("q_value", "Benjamini-Hochberg q over the study's specimens in the same set", **_FRACTION),
        boolean("enriched", "Whether q_value is below the limit"),
        real("refit_share", "Share of APOBEC by the refit of signatures", **_FRACTION),
        text(
            "agreement",
            "Who finds APOBEC: the refit where its interval is above the limit, enrichment where it is enriched; "
            "null where one of them can't say",
            allowed=AGREEMENTS,
        ),
        _STATUS,
        _REASON,
    ),
)

_PER_MB = {"unit": "mutations/Mb", "minimum": 0.0}
TUMOUR_MUTATIONAL_BURDEN = Table(
    name="tumour_mutational_burden",
    description="Somatic coding mutations per megabase at which a mutation could have been called",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        integer(
            "callable_bases", "Coding target bases deep enough in tumour and normal", unit="bases", minimum=0
        ),
        integer("coding_mutations", "PASS SNVs and indels there, silent ones too", unit="mutations", minimum=0),
        integer("nonsilent_mutations", "Those of them that change a protein", unit="mutations", minimum=0),
        real("coding_per_mb", "coding_mutations per callable Mb", **_PER_MB),
        real("coding_low", "Lower end of its exact Poisson interval", **_PER_MB),
        real("coding_high", "Upper end of its exact Poisson interval", **_PER_MB),
        real("nonsilent_per_mb", "nonsilent_mutations per callable Mb", **_PER_MB),
        real("nonsilent_low", "Lower end of its exact Poisson interval", **_PER_MB),
        real("nonsilent_high", "Upper end of its exact Poisson interval", **_PER_MB),
        boolean("tmb_high", "Whether coding_per_mb is at or above the limit"),
        _STATUS,
        _REASON,
    ),
)  # fmt: skip

PAIRED_MUTATIONAL_BURDEN = Table(
    name="paired_mutational_burden",
    description="Coding mutations of baseline and a later tumour on the bases at which both could have been judged",
    grain="pair of tumours",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("baseline_specimen_id", "Tumour of baseline that it is compared with", nullable=False, key=True),
        integer(
            "common_callable_bases", "Coding target bases deep enough in both tumours and the normal", unit="bases",
            minimum=0,
        ),
        integer("baseline_mutations", "Coding PASS SNVs and indels of baseline there", unit="mutations", minimum=0),
        integer("later_mutations", "Those of the later tumour", unit="mutations", minimum=0),
        integer("shared_mutations", "Those of both", unit="mutations", minimum=0),
        real("baseline_per_mb", "baseline_mutations per common callable Mb", **_PER_MB),
        real("baseline_low", "Lower end of its exact Poisson interval", **_PER_MB),
        real("baseline_high", "Upper end of its exact Poisson interval", **_PER_MB),
        real("later_per_mb", "later_mutations per common callable Mb", **_PER_MB),
        real("later_low", "Lower end of its exact Poisson interval", **_PER_MB),
        real("later_high", "Upper end of its exact Poisson interval", **_PER_MB),
        real("change_per_mb", "later_per_mb - baseline_per_mb", unit="mutations/Mb"),
        real(
            "p_value", "Exact McNemar test of mutations called in one of the two alone", unit="1", minimum=0.0,
            maximum=1.0,
        ),
        _STATUS,
        _REASON,
    ),
)  # fmt: skip

_EVENTS = {"unit": "events", "minimum": 0}
HRD_SCARS = Table(
    name="hrd_scars",
    description="Genomic scars of homologous recombination deficiency; they stay when repair returns",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        integer("loh", "Stretches of lost heterozygosity above 15 Mb (Abkevich 2012)", **_EVENTS),
        integer("tai", "Allelic imbalances that reach a telomere (Birkbak 2012)", **_EVENTS),
        integer("lst", "Large-scale state transitions (Popova 2012)", **_EVENTS),
        integer("hrd_sum", "loh + tai + lst", **_EVENTS),
        real("hrd_adjusted", "hrd_sum less 15.5 per copy of ploidy; can be negative", unit="events"),
        boolean("hrd_high", "Whether hrd_sum is at or above the limit (42, Telli 2016; not this trial's own)"),
        integer("segments", "Autosomal segments after joining equal neighbours", unit="segments", minimum=0),
        real("left_out", "Share of segmented autosomal bases without copies of both alleles", **_FRACTION),
        real("purity", "Share of tumour cells that the segments rest on", **_FRACTION),
        real("ploidy", "Mean copies of a tumour cell", unit="copies", minimum=0.0),
        _STATUS,
        _REASON,
    ),
)
