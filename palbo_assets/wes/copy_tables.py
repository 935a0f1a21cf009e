"""Tables of copy number and of the clones that follow from it."""

from __future__ import annotations

from palbo_assets.platform.tables import (
    PATIENT_ID,
    SPECIMEN_ID,
    TIMEPOINT,
    Storage,
    Table,
    boolean,
    integer,
    real,
    text,
)
from palbo_assets.wes.changes import Change
from palbo_assets.wes.copy_number import Extent, Heterozygosity, State

TOOLS = ("purple", "sequenza", "facets", "battenberg", "ascat", "cnvkit", "seg", "gdc_seg")
PURITY_SOURCES = ("segment_file", "purity_file")
_FRACTION = {"unit": "1", "minimum": 0.0, "maximum": 1.0}
_COPIES = {"unit": "copies", "minimum": 0.0}

COPY_NUMBER_SEGMENTS = Table(
    name="copy_number_segments",
    description="Copy-number segments of a tumour as its tool wrote them, with absolute copies where purity is known",
    grain="segment x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("chrom", "Contig as the study's reference names it", nullable=False, key=True),
        integer("start", "First base, 0-based", unit="bp", nullable=False, key=True, minimum=0),
        integer("end", "End, 0-based half-open", unit="bp", nullable=False, minimum=1),
        integer("n_markers", "Bins, probes or SNPs in the segment; null where the tool counts none", unit="markers"),
        real("log2", "log2 ratio of tumour to normal as the tool states it", unit="log2"),
        real("total_cn", "Copies in a tumour cell; null with a reason", unit="copies", minimum=0.0),
        real(
            "minor_cn",
            "Copies of the lesser allele; null where the tool isn't allele-specific",
            unit="copies",
            minimum=0.0,
        ),
        real(
            "cell_share",
            "Share of the tumour cells that have total_cn copies (FACETS, Battenberg); null where the tool doesn't say",
            **_FRACTION,
        ),
        real("other_total_cn", "Copies in the other tumour cells; null where there are none", **_COPIES),
        real("other_minor_cn", "Copies of their lesser allele", **_COPIES),
        real("purity", "Share of tumour cells in the specimen; null where nobody states it", **_FRACTION),
        real("purity_low", "Lower end of its 95 % interval; null where the fit states none", **_FRACTION),
        real("purity_high", "Upper end of its 95 % interval; null where the fit states none", **_FRACTION),
        text("purity_source", "Which file states purity", allowed=PURITY_SOURCES),
        real("other_purity", "Purity in the fit's file where the segment file states one too", **_FRACTION),
        real("ploidy", "Mean copies of a tumour cell", unit="copies", minimum=0.0),
        text("ploidy_source", "Where ploidy is from", allowed=(*PURITY_SOURCES, "mean_of_copies")),
        text("tool", "Tool, by the file's columns", nullable=False, allowed=TOOLS),
        boolean("made_here", "Made from the alignments because no segments were delivered (copies_from_bam)"),
        text("reason", "Why copies are null; empty where they are there", nullable=False),
    ),
)

GENE_COPY_NUMBER = Table(
    name="gene_copy_number",
    description="Copies of every gene of the study in a tumour, judged with purity and ploidy; what can't be says why",
    grain="gene x specimen",
    storage=Storage.PARQUET,
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("gene", "Gene symbol", nullable=False, key=True),
        text("chrom", "Contig as the study's gene models name it", nullable=False),
        text(
            "state",
            "Against ploidy; AMPLIFICATION by COSMIC's rule, HOMOZYGOUS_DELETION from one exon without a copy",
            nullable=False,
            allowed=tuple(State),
        ),
        text("reason", "Why the state is NOT_EVALUABLE; empty else", nullable=False),
        real("copies", "Mean copies over the coding exons, weighted by overlap", **_COPIES),
        real("min_exon_copies", "Copies of the coding exon that has fewest", **_COPIES),
        real("minor_copies", "Fewest copies of the lesser allele; null unless allele-specific", **_COPIES),
        text(
            "heterozygosity",
            "LOST: one parent's copies are gone, only said of allele-specific segments",
            nullable=False,
            allowed=tuple(Heterozygosity),
        ),
        text("extent", "How far the event reaches; null without an event", allowed=tuple(Extent)),
        real("log2", "Mean log2 ratio as the tool states it", unit="log2"),
        integer("n_exons", "Coding exons of the pinned transcript", unit="exons", nullable=False, minimum=1),
        integer("exons_covered", "Those of them that segments cover", unit="exons", nullable=False, minimum=0),
        integer(
            "amplified_from", "Copies from which the gene counts as amplified at this ploidy", unit="copies", minimum=1
        ),
        real("purity", "Share of tumour cells that was used; null where nobody states it", **_FRACTION),
        real("ploidy", "Mean copies of a tumour cell that was used", **_COPIES),
    ),
)

_CLONE = "Clone of the patient, numbered by falling mean prevalence; 1 is the trunk where there is one"
CLONAL_VARIANTS = Table(
    name="clonal_variants",
    description="A patient's somatic variants: cell fraction at baseline and progression, what changed, and the clone",
    grain="variant x patient",
    columns=(
        PATIENT_ID,
        text("chrom", "Contig as the study's reference names it", nullable=False, key=True),
        integer("pos", "Position of the first reference base, 1-based", nullable=False, key=True, minimum=1),
        text("ref", "Reference allele, left-aligned, indels with their anchor base", nullable=False, key=True),
        text("alt", "Alternative allele", nullable=False, key=True),
        text("gene", "Gene symbol; null between genes"),
        text("hgvsp_short", "Protein change in one-letter form, such as p.H1047R"),
        text("consequence", "MAF variant class"),
        real("baseline_ccf", "Share of tumour cells with the variant at baseline; null where unknown", **_FRACTION),
        real("baseline_ccf_low", "Lower end of its 95 % interval", **_FRACTION),
        real("baseline_ccf_high", "Upper end of its 95 % interval", **_FRACTION),
        real(
            "progression_ccf", "Share of tumour cells with the variant at progression; null where unknown", **_FRACTION
        ),
        real("progression_ccf_low", "Lower end of its 95 % interval", **_FRACTION),
        real("progression_ccf_high", "Upper end of its 95 % interval", **_FRACTION),
        real(
            "ccf_difference",
            "Share of tumour cells at progression minus at baseline, middle of its posterior",
            unit="1",
            minimum=-1.0,
            maximum=1.0,
        ),
        real("ccf_difference_low", "Lower end of its 95 % interval", unit="1", minimum=-1.0, maximum=1.0),
        real("ccf_difference_high", "Upper end of its 95 % interval", unit="1", minimum=-1.0, maximum=1.0),
        real("probability_of_rise", "Probability that the share is larger at progression", **_FRACTION),
        text(
            "change",
            "EXPANDED or CONTRACTED: intervals apart and a twofold change; NO_CHANGE_SHOWN isn't proof of none",
            nullable=False,
            allowed=tuple(Change),
        ),
        text(
            "change_reason", "Side and reason why there is no cell fraction; empty where both are there", nullable=False
        ),
        integer("clone", _CLONE, unit="1", minimum=1),
        real("assignment_probability", "Probability that the variant is of this clone", **_FRACTION),
        text("clone_reason", "Why the variant is of no clone; empty where it is of one", nullable=False),
    ),
)

CLONE_PREVALENCE = Table(
    name="clone_prevalence",
    description="Share of tumour cells that hold each of a patient's clones, in every tumour of the patient",
    grain="clone x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        integer("clone", _CLONE, unit="1", nullable=False, key=True, minimum=1),
        integer(
            "n_variants", "Variants that most probably are the clone's", unit="variants", nullable=False, minimum=0
        ),
        real("prevalence", "Share of tumour cells with the clone's variants", nullable=False, **_FRACTION),
        real("prevalence_low", "Lower end of its 95 % interval", nullable=False, **_FRACTION),
        real("prevalence_high", "Upper end of its 95 % interval", nullable=False, **_FRACTION),
        boolean("clonal", "The interval reaches all tumour cells: not shown to be subclonal", nullable=False),
        text(
            "change",
            "Against the first baseline tumour: EXPANDED or CONTRACTED with intervals apart and a twofold change;"
            " null at baseline",
            allowed=tuple(Change),
        ),
    ),
)
