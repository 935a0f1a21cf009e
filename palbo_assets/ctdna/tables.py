"""The tables that the room publishes."""

from __future__ import annotations

from palbo_assets.ctdna.white_cells import ORIGINS
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
from palbo_assets.study.snp_counts import SNP_COUNTS
from palbo_assets.study.vocabulary import OBSERVED, Absence, CallState, Qc

CTDNA_WET_LAB = Table(
    name="ctdna_wet_lab",
    description="What the wet lab says of each plasma; an unstated figure is null",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        real("plasma_ml", "Plasma that DNA was extracted from", unit="mL", minimum=0),
        real("cfdna_ng_per_ml", "Cell-free DNA in plasma", unit="ng/mL", minimum=0),
        real("input_ng", "Cell-free DNA put into the library", unit="ng", minimum=0),
        integer("haemolysis_grade", "Haemolysis by eye or absorbance, 0 none to 4", unit="1", minimum=0, maximum=4),
        real("fragment_peak_bp", "Commonest fragment length", unit="bp", minimum=0),
        real("library_ng", "Finished library", unit="ng", minimum=0),
        real("gdna_pct", "Share of DNA above 1 kb (from leukocytes)", unit="%", minimum=0, maximum=100),
        text("specimen_type", "What was extracted, where stated", allowed=("PLASMA", "SERUM", "OTHER")),
        text("tube_type", "Tube that blood was drawn into, where stated", allowed=("EDTA", "STRECK", "OTHER")),
        real("hours_to_spin", "From the draw to the first centrifugation", unit="h", minimum=0),
    ),
)

CTDNA_MOLECULES = Table(
    name="ctdna_molecules",
    description="What each plasma's molecules say at every base of its panel version; calls, quality and forced"
    " genotypes follow from it. No rows where the panel version isn't known.",
    grain="panel base x plasma",
    storage=Storage.PARQUET,
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("chrom", "Contig", nullable=False, key=True),
        integer("pos", "Position, 1-based", unit="bp", minimum=1, nullable=False, key=True),
        text("ref", "Base of the study's genome; N where the bundle lacks it", nullable=False),
        *(
            integer(f"{what}_{strand}", f"Molecules {said}, read 1 on the {strand} strand (duplex: the larger one)",
                    unit="molecules", minimum=0, nullable=False)
            for strand in ("forward", "reverse")
            for what, said in (("a", "with A"), ("c", "with C"), ("g", "with G"), ("t", "with T"),
                               ("masked", "without a vote"), ("deleted", "without this base"))
        ),
        text("indels", "Insertions and deletions anchored here, ref>alt:forward:reverse molecules, ';'-joined"),
        text("panel_version", "Panel version that the library was captured with", nullable=False),
        text("library", "Totals of the whole file (reads, family sizes, barcodes) as JSON; the same in every row",
             nullable=False),
    ),
)  # fmt: skip

PLASMA_SNP_GENOTYPES = Table(
    name="plasma_snp_genotypes",
    description="Allele counts at identity SNPs in molecules of plasmas. Identifies people: never leaves the study.",
    grain="SNP x specimen",
    columns=SNP_COUNTS,
    storage=Storage.PARQUET,
)

CTDNA_BACKGROUND = Table(
    name="ctdna_background",
    description="How often a molecule errs, from plasmas of healthy donors, per panel version: each kind of error, its"
    " contexts, and each allele at each base, drawn to its context where data are thin. No rows for a version with too"
    " few donors.",
    grain="panel version x error",
    storage=Storage.PARQUET,
    columns=(
        text("panel_version", "Panel version of the donors' libraries", nullable=False, key=True),
        text("element", "What errs: C>A, ins or del; with its context A[C>A]G or del:4 (homopolymer behind the anchor);"
             " or an allele at a site, chrom:pos:ref>alt", nullable=False, key=True),
        text("level", "Kind, context or site", nullable=False, allowed=("kind", "context", "site")),
        text("chrom", "Contig of a site"),
        integer("pos", "Position of a site, 1-based", unit="bp", minimum=1),
        text("ref", "Reference base of a site"),
        text("alt", "Wrong base; ins or del: any indel anchored here"),
        real("alpha", "First parameter of the rate's beta distribution", unit="1", minimum=0, nullable=False),
        real("beta", "Second parameter", unit="1", minimum=0, nullable=False),
        real("rate", "Mean errors per molecule, alpha / (alpha + beta)", unit="1", minimum=0, maximum=1,
             nullable=False),
        integer("errors", "Errors seen in all donors", unit="molecules", minimum=0, nullable=False),
        integer("molecules", "Molecules x bases that could have shown them; a donor's own variants left out",
                unit="molecules", minimum=0, nullable=False),
        boolean("noisy", "A site that its context doesn't explain", nullable=False),
        integer("plasmas", "Healthy donors", unit="plasmas", minimum=1, nullable=False),
        text("bed_sha256", "SHA-256 of the panel version's BED that was counted on", nullable=False),
        text("background_sha256", "SHA-256 over the version, its BED and all parameters; calls state it",
             nullable=False),
    ),
)  # fmt: skip

CTDNA_QC = Table(
    name="ctdna_qc",
    description="Quality of each plasma's sequencing: unique depth, evenness, family sizes, and the verdict",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("panel_version", "Panel version that the library was captured with; null if the delivery states none"),
        integer("panel_bp", "Bases that the panel version covers", unit="bp", minimum=1),
        integer("consensus_reads", "Consensus reads on the genome (mates count apart)", unit="reads", minimum=0),
        real("on_target", "Share of them that touch the panel", unit="1", minimum=0, maximum=1),
        real("unique_depth_mean", "Mean molecules per panel base", unit="molecules", minimum=0),
        real("unique_depth_median", "Median molecules per panel base", unit="molecules", minimum=0),
        real("share_at_pass_depth", "Share of panel bases at the passing depth", unit="1", minimum=0, maximum=1),
        real("uniformity", "Share of panel bases at 0.2 x the mean depth", unit="1", minimum=0, maximum=1),
        real("family_size_mean", "Raw reads per consensus read; null where untagged", unit="reads", minimum=0),
        real("family_size_least_mean", "The same at each read's thinnest base (cM)", unit="reads", minimum=0),
        text("delivered", "What was delivered: consensus reads of another tool, or raw reads that are called here",
             allowed=("consensus_bam", "raw_umi_bam")),
        integer("raw_pairs", "Raw read pairs on the panel; null for a consensus BAM, as are all barcode figures",
                unit="pairs", minimum=0),
        integer("molecules", "Groups of pairs with the same ends and barcode", unit="molecules", minimum=0),
        text("family_sizes", "Molecules by family size in pairs, size:molecules, ';'-joined"),
        real("singleton_share", "Share of molecules read once", unit="1", minimum=0, maximum=1),
        real("duplex_share", "Share of molecules seen from both strands, of those large enough to vote", unit="1",
             minimum=0, maximum=1),
        real("strand_balance", "Share of pairs from forward strands", unit="1", minimum=0, maximum=1),
        real("umi_error", "Share of pairs whose barcode was merged into a neighbour's", unit="1", minimum=0, maximum=1),
        real("umi_collision", "Expected share of molecules behind another one's ends and barcode", unit="1",
             minimum=0, maximum=1),
        integer("umi_with_n", "Reads left out because their barcode has an undecided base", unit="reads", minimum=0),
        real("conversion", "Unique molecules per genome equivalent put in", unit="1", minimum=0),
        real("raw_depth_mean", "Raw reads per panel base, both mates counted; null where consensus reads state no"
             " family size", unit="reads", minimum=0),
        real("fragment_peak_reads_bp", "Commonest fragment length of the reads; null for too few pairs", unit="bp",
             minimum=0),
        real("fragment_peak_lab_bp", "The same as the wet lab states it", unit="bp", minimum=0),
        integer("read_1_length", "Longest read 1", unit="bp", minimum=0),
        integer("read_2_length", "Longest read 2; null without pairs", unit="bp", minimum=0),
        text("not_checked", "Lines of quality that nothing was delivered for, ';'-joined: they didn't pass; empty where"
             " all were checked"),
        text("verdict", "Quality verdict; null where status isn't OBSERVED", allowed=tuple(Qc)),
        text("reasons", "What the verdict rests on, ';'-joined; empty when nothing was found"),
        text("status", "Whether the plasma could be judged", nullable=False, allowed=(OBSERVED, Absence.NOT_EVALUABLE)),
    ),
)  # fmt: skip

CTDNA_CALLS = Table(
    name="ctdna_calls",
    description="State of every tracked site, and new variants, in each plasma",
    grain="variant x plasma",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("chrom", "Contig", nullable=False, key=True),
        integer("pos", "Position of the VCF alleles, 1-based", unit="bp", minimum=1, nullable=False, key=True),
        text("ref", "Reference allele, left-aligned", nullable=False, key=True),
        text("alt", "Alternative allele, left-aligned", nullable=False, key=True),
        text("gene", "Gene of the tracked site or of the panel's target"),
        text("hgvsp_short", "Protein change: the list's for tracked sites, the gene models' for new alleles"),
        text("consequence", "MAF variant class of a new allele; null for tracked ones and without gene models"),
        boolean("lof", "Loss of function: the list's for tracked sites, the gene models' for new alleles"),
        boolean("tracked", "Whether the site was looked at by name rather than found", nullable=False),
        text("state", "State of the allele in this plasma", nullable=False, allowed=tuple(CallState)),
        text("filter", "PASS or flags, ';'-joined: strand_bias, near_miss, germline_band, not_snv_or_indel, sample_qc,"
             " no_genome, unknown_panel"),
        boolean("chip_gene", "Gene of clonal haematopoiesis: the allele may come from blood cells", nullable=False),
        integer("unique_depth", "Molecules that vote at the site", unit="molecules", minimum=0),
        integer("alt_molecules", "Molecules with the alternative allele", unit="molecules", minimum=0),
        integer("alt_forward", "Of these, read 1 on the forward strand", unit="molecules", minimum=0),
        integer("alt_reverse", "Of these, read 1 on the reverse strand", unit="molecules", minimum=0),
        real("vaf", "alt_molecules / unique_depth; null without depth", unit="1", minimum=0, maximum=1),
        real("hge_per_ml", "Mutant genome equivalents in plasma; for PRESENT alleles", unit="1/mL", minimum=0),
        real("background_rate", "Expected errors per molecule at such a site", unit="1", minimum=0, maximum=1),
        real("p_value", "Chance that errors alone make as many molecules", unit="1", minimum=0, maximum=1),
        real("q_value", "p adjusted (BH) over tracked sites or the panel", unit="1", minimum=0, maximum=1),
        integer("critical_molecules", "Fewest molecules that make a call here", unit="molecules", minimum=1),
        real("lod95_vaf", "Smallest VAF found with 95 % power; null if none is", unit="1", minimum=0, maximum=1),
        real("power", "Power to find the VAF to be excluded (excluded_vaf)", unit="1", minimum=0, maximum=1),
        real("excluded_vaf", "VAF that ABSENT rules out", unit="1", minimum=0, maximum=1, nullable=False),
        text("panel_version", "Panel version of the library; null if the delivery doesn't tell"),
        boolean("chosen_from_cohort", "The site is on the panel because of what this cohort showed: no evidence of how"
                " common the allele is in these patients; null off the panel"),
        text("background", "Where the error rates are from; null if nothing was computed",
             allowed=("healthy_plasma", "in_sample")),
        text("background_sha256", "Which background of healthy plasmas (ctdna_background, or the reference's file)"),
        text("background_reason", "Why no background of healthy plasmas was used; null where one was",
             allowed=("no_healthy_plasmas", "other_panel_version", "other_bed")),
    ),
)  # fmt: skip

PATIENT_GENOTYPES = Table(
    name="patient_genotypes",
    description="Every variant that a tumour (PASS) or a plasma (PRESENT) of a patient shows, counted in every tumour,"
    " in the blood and in every plasma of the patient, with the power to have seen it",
    grain="variant x sample",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("sample_kind", "What was counted", nullable=False, key=True, allowed=("tumour", "normal", "plasma")),
        text("chrom", "Contig", nullable=False, key=True),
        integer("pos", "Position of the VCF alleles, 1-based", unit="bp", minimum=1, nullable=False, key=True),
        text("ref", "Reference allele, left-aligned", nullable=False, key=True),
        text("alt", "Alternative allele, left-aligned", nullable=False, key=True),
        text("gene", "Gene symbol"),
        text("consequence", "MAF variant class; null where only plasma shows the variant"),
        text("hgvsp_short", "Protein change"),
        boolean("lof", "Loss of function; null where unknown"),
        boolean("hotspot", "Listed hotspot; null where only plasma shows the variant"),
        text("found_in", "Where the variant was called", nullable=False, allowed=("tissue", "plasma", "both")),
        integer("depth", "Fragments (tissue, blood) or molecules (plasma) at the place", unit="fragments", minimum=0),
        integer("alt_count", "Of these, with the variant", unit="fragments", minimum=0),
        real("vaf", "alt_count / depth; null without depth", unit="1", minimum=0, maximum=1),
        real("background_error", "Expected errors per fragment towards the allele", unit="1", minimum=0, maximum=1),
        real("p_value", "Chance that errors alone make alt_count", unit="1", minimum=0, maximum=1),
        real("expected_vaf", "Fraction at which it should show here, less where the sample holds less tumour;"
             " null where a plasma shows no tumour DNA",
             unit="1", minimum=0, maximum=1),
        real("power", "Probability that this depth shows the variant at expected_vaf", unit="1", minimum=0, maximum=1),
        real("visible_vaf", "Smallest fraction that this depth shows with the wanted power", unit="1", minimum=0,
             maximum=1),
        boolean("called", "Called in this very sample", nullable=False),
        boolean("trace", "Not called, yet above the background", nullable=False),
        text("state", "ABSENT needs power; off the panel NOT_ASSAYED", nullable=False, allowed=tuple(CallState)),
        text("reason", "Why the state is neither PRESENT nor ABSENT"),
        text("panel_version", "Panel version that the plasma was captured with; null for tissue"),
        boolean("chosen_from_cohort", "The plasma's panel has the site because of what this cohort showed: such rows"
                " don't count for how common the variant is in these patients; null for tissue and off the panel"),
    ),
)  # fmt: skip

CTDNA_BURDEN = Table(
    name="ctdna_burden",
    description="Tumour DNA in each plasma; that nothing was found is not a fraction of 0",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        real("tumour_fraction", "2 x the largest somatic VAF (diploid, clonal)", unit="1", minimum=0, maximum=1),
        real("max_vaf", "Largest VAF of a PRESENT allele not from blood or germline", unit="1", minimum=0, maximum=1),
        real("max_hge_per_ml", "Its mutant genome equivalents in plasma", unit="1/mL", minimum=0),
        integer("n_present", "Alleles PRESENT", unit="1", minimum=0),
        integer("n_absent", "Tracked sites ABSENT", unit="1", minimum=0),
        integer("n_not_evaluable", "Alleles NOT_EVALUABLE", unit="1", minimum=0),
        integer("n_not_assayed", "Tracked sites outside the panel version", unit="1", minimum=0),
        real("lod95_vaf_median", "Median LoD of tracked sites on the panel", unit="1", minimum=0, maximum=1),
        text(
            "status",
            "OBSERVED, QC_FAIL, or NOT_EVALUABLE: nothing found (low shedding, or the mutation is off the panel)",
            nullable=False,
            allowed=(OBSERVED, Absence.QC_FAIL, Absence.NOT_EVALUABLE),
        ),
    ),
)

CTDNA_PANELS = Table(
    name="ctdna_panels",
    description="Regions of every panel version that is in force, as its BED states them; a superseded BED isn't there",
    grain="panel version x region",
    columns=(
        text("panel_version", "Panel version, as the delivery names it", nullable=False, key=True),
        text("bed_sha256", "SHA-256 of the BED that the region is from", nullable=False, key=True),
        integer("region", "Place of the region in its BED, from 1", nullable=False, minimum=1, key=True),
        text("chrom", "Contig", nullable=False),
        integer("start", "Start, 0-based as in BED", unit="bp", minimum=0, nullable=False),
        integer("end", "End, exclusive as in BED (0-based half-open)", unit="bp", minimum=1, nullable=False),
        text("gene", "Gene that the BED names; null if none"),
        text("exon", "Exon that the BED names; null if none"),
        text("since", "Panel version that introduced the region, as the BED says; else its own", nullable=False),
        text("reason", "Why the region is on the panel, as the BED says; null if it doesn't"),
    ),
)

CTDNA_ORIGINS = Table(
    name="ctdna_origins",
    description="Whence each allele found in plasma is, by the patient's own white cells; nothing is dropped",
    grain="variant x plasma",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("chrom", "Contig", nullable=False, key=True),
        integer("pos", "Position of the VCF alleles, 1-based", unit="bp", minimum=1, nullable=False, key=True),
        text("ref", "Reference allele, left-aligned", nullable=False, key=True),
        text("alt", "Alternative allele, left-aligned", nullable=False, key=True),
        text("gene", "Gene as in ctdna_calls"),
        text("hgvsp_short", "Protein change as in ctdna_calls"),
        text("state", "State as in ctdna_calls", nullable=False, allowed=tuple(CallState)),
        real("vaf", "Allele fraction in plasma", unit="1", minimum=0, maximum=1),
        integer("white_depth", "Fragments of white cells at the site; null without white cells", unit="fragments",
                minimum=0),
        integer("white_alt", "Of these, with the allele", unit="fragments", minimum=0),
        real("white_vaf", "white_alt / white_depth", unit="1", minimum=0, maximum=1),
        real("power", "Power of white cells to show the allele at plasma's fraction", unit="1", minimum=0, maximum=1),
        text("origin", "TUMOUR, CHIP (clonal haematopoiesis), GERMLINE, or UNRESOLVED", nullable=False,
             allowed=ORIGINS),
        text("reason", "What the origin rests on", nullable=False),
    ),
)  # fmt: skip

CTDNA_RESIDUAL_DISEASE = Table(
    name="ctdna_residual_disease",
    description="Whether a plasma holds DNA of the patient's own tumour: one test over the variants of its tissue",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        integer("n_tracked", "Somatic variants of the patient's tissue", unit="variants", minimum=0),
        integer("n_sites", "Of these, on the panel version and read", unit="sites", minimum=0),
        integer("n_sites_with_molecules", "Sites with a mutant molecule", unit="sites", minimum=0),
        integer("molecules", "Molecules at these sites together", unit="molecules", minimum=0),
        integer("alt_molecules", "Mutant molecules together", unit="molecules", minimum=0),
        real("expected_errors", "Molecules that the background alone makes", unit="molecules", minimum=0),
        real("p_value", "Chance that the background makes as many", unit="1", minimum=0, maximum=1),
        integer("critical_molecules", "Fewest molecules that make a positive plasma", unit="molecules", minimum=1),
        real("tumour_fraction", "Tumour DNA in cell-free DNA; null unless PRESENT", unit="1", minimum=0, maximum=1),
        real("tumour_fraction_low", "Lower end of its 95 % interval", unit="1", minimum=0, maximum=1),
        real("tumour_fraction_high", "Upper end, also where nothing was found", unit="1", minimum=0, maximum=1),
        real("lod95_tumour_fraction", "Smallest tumour fraction found with 95 % power", unit="1", minimum=0, maximum=1),
        real("hge_per_ml", "Tumour's haploid genome equivalents in plasma; for PRESENT", unit="1/mL", minimum=0),
        text("state", "State of the tumour's DNA in this plasma", nullable=False, allowed=tuple(CallState)),
        text("reason", "Why it isn't evaluable or assayed; empty otherwise", nullable=False),
        text("panel_version", "Panel version of the library; null if the delivery doesn't tell"),
        text("background", "Where the error rates are from; null if nothing was computed",
             allowed=("healthy_plasma", "in_sample")),
        text("background_sha256", "Which background of healthy plasmas (ctdna_background, or the reference's file)"),
        text("background_reason", "Why no background of healthy plasmas was used; null where one was",
             allowed=("no_healthy_plasmas", "other_panel_version", "other_bed")),
    ),
)  # fmt: skip

CTDNA_CONTROLS = Table(
    name="ctdna_controls",
    description="What each run's control samples show: molecules without template, and the alleles of reference"
    " standards beside the fractions that their makers state. A control is no patient.",
    grain="control x expected allele",
    columns=(
        text("sequencing_run", "Flowcell that the BAM's read groups state (PU); empty where none or several",
             nullable=False),
        text("control", "The control's library (sample_name)", nullable=False, key=True),
        text("element", "An expected allele, chrom:pos:ref>alt; molecules, of a control without template; control,"
             " where nothing could be judged", nullable=False, key=True),
        text("bam_sha256", "SHA-256 of the control's BAM", nullable=False, key=True),
        text("material", "What was sequenced, as delivered: NTC or a standard of the bundle's ctdna_control_alleles"),
        text("panel_version", "Panel version that the library was captured with"),
        text("chrom", "Contig of an expected allele"),
        integer("pos", "Position, 1-based", unit="bp", minimum=1),
        text("ref", "Reference allele"),
        text("alt", "Alternative allele"),
        text("gene", "Gene symbol"),
        text("hgvsp_short", "Protein change"),
        real("molecules", "Molecules per panel base of a control without template", unit="molecules", minimum=0),
        real("expected_vaf", "Fraction that the maker states", unit="1", minimum=0, maximum=1),
        integer("unique_depth", "Molecules that vote at the site", unit="molecules", minimum=0),
        integer("alt_molecules", "Of these, with the allele", unit="molecules", minimum=0),
        real("vaf", "alt_molecules / unique_depth; null without depth", unit="1", minimum=0, maximum=1),
        real("vaf_low", "Lower end of its exact 95 % interval", unit="1", minimum=0, maximum=1),
        real("vaf_high", "Upper end", unit="1", minimum=0, maximum=1),
        real("power", "Probability that this depth shows the stated fraction", unit="1", minimum=0, maximum=1),
        text("verdict", "Verdict; null where nothing can be said", allowed=tuple(Qc)),
        text("reason", "Why it isn't pass; empty otherwise", nullable=False),
    ),
)  # fmt: skip

CTDNA_RUN_QC = Table(
    name="ctdna_run_qc",
    description="What the controls of its sequencing run say of each plasma",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("sequencing_run", "Flowcell that the plasma's read groups state (PU); empty where none or several",
             nullable=False),
        integer("controls", "Control libraries of the run", unit="libraries", minimum=0, nullable=False),
        text("verdict", "The run's verdict; null where no control of the run tells", allowed=tuple(Qc)),
        text("reasons", "What it rests on, ';'-joined; empty when nothing was found", nullable=False),
        boolean("unique_dual_index", "Whether neither index of the library is another library's of the run: exchanged"
                " indexes are then found by the sequencer; null where the read groups state none (PU)"),
    ),
)  # fmt: skip

CTDNA_INDEX_HOPPING = Table(
    name="ctdna_index_hopping",
    description="Alleles of a plasma that another library of its sequencing run holds at more molecules, and how many"
    " of the plasma's molecules are copies of that library's: same ends, same UMI, larger family",
    grain="variant x plasma",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("chrom", "Contig", nullable=False, key=True),
        integer("pos", "Position of the VCF alleles, 1-based", unit="bp", minimum=1, nullable=False, key=True),
        text("ref", "Reference allele, left-aligned", nullable=False, key=True),
        text("alt", "Alternative allele, left-aligned", nullable=False, key=True),
        text("sequencing_run", "Flowcell of both libraries", nullable=False),
        integer("libraries", "Other libraries of the run that hold more molecules of the allele", unit="libraries",
                minimum=1, nullable=False),
        integer("alt_molecules", "Molecules with the allele, as called", unit="molecules", minimum=0),
        integer("critical_molecules", "Fewest molecules that make a call here", unit="molecules", minimum=1),
        integer("compared", "Molecules with a UMI that were compared", unit="molecules", minimum=0),
        integer("copies", "Of these, copies of another library's", unit="molecules", minimum=0),
        real("copies_by_chance", "Molecules that would share ends and UMI by chance", unit="molecules", minimum=0),
        real("p_value", "Chance to see as many copies without any exchange", unit="1", minimum=0, maximum=1),
        text("verdict", "explained: without the copies it would be no call; null where it couldn't be told",
             allowed=("explained", "stands")),
        text("reason", "Why it couldn't be told: no_umi, unreadable; empty otherwise", nullable=False),
    ),
)  # fmt: skip

CTDNA_FITNESS = Table(
    name="ctdna_fitness",
    description="What only other samples tell of a plasma: another person's DNA, and controls of its sequencing run. A"
    " plasma that isn't fit says nothing of a tumour, as one that failed quality.",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        real("foreign_dna", "Share of another person's DNA (plasma_contamination); null where it can't be told",
             unit="1", minimum=0, maximum=1),
        real("explained_vaf", "VAF up to which an allele may be that person's (upper end of the share's 95 % interval);"
             " null where the share is below the limit or unknown", unit="1", minimum=0, maximum=1),
        text("hopped_alleles", "Alleles, chrom:pos:ref>alt, ';'-joined, that copies of another library's molecules make"
             " (ctdna_index_hopping); null where none is"),
        text("sequencing_run", "Flowcell of the plasma's reads; null where it isn't known"),
        text("verdict", "Verdict on what was checked; fail: nothing is evaluable", nullable=False, allowed=tuple(Qc)),
        text("reasons", "What the verdict rests on, ';'-joined; empty when nothing was found", nullable=False),
        text("not_checked", "What couldn't be checked, ';'-joined: it didn't pass", nullable=False),
    ),
)  # fmt: skip

TABLES = (
    CTDNA_WET_LAB,
    CTDNA_PANELS,
    CTDNA_BACKGROUND,
    CTDNA_CONTROLS,
    CTDNA_RUN_QC,
    CTDNA_INDEX_HOPPING,
    CTDNA_QC,
    CTDNA_CALLS,
    CTDNA_MOLECULES,
    PLASMA_SNP_GENOTYPES,
    CTDNA_BURDEN,
    CTDNA_FITNESS,
    PATIENT_GENOTYPES,
    CTDNA_ORIGINS,
    CTDNA_RESIDUAL_DISEASE,
)
