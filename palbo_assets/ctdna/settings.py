"""Every threshold of the room, with its unit and its source."""

from __future__ import annotations

from pydantic import Field

from palbo_assets.ctdna.fitness_settings import FitnessSettings
from palbo_assets.genomics.large_clone import CHIP_GENES


class Settings(FitnessSettings):
    """Thresholds of molecule counting, calling, power and plasma quality."""

    # Lists of the reference bundle.
    list_most_rows: int = Field(
        default=2000,
        ge=2,
        description="rows; of a list that are held against the genome, evenly spread where it is longer. Source: as for"
        " exomes",
    )
    list_max_differing: float = Field(
        default=0.01,
        ge=0,
        lt=0.5,
        description="1; share of a list's reference bases that may differ from the genome's. Source: as for exomes; of"
        " another build about 0.75 do",
    )

    # Which consensus reads and bases vote.
    min_family_size: int = Field(
        default=3,
        ge=1,
        description="raw reads; a consensus read built from fewer has no vote. Applied where the BAM states the size"
        " (tag cD, or _Count= in the read name). Source: fgbio practice for simplex and duplex consensus (3,2,2)",
    )
    max_read_error_rate: float = Field(
        default=0.025,
        ge=0,
        le=1,
        description="1; a consensus read whose raw reads disagreed more (tag cE) has no vote. Source: fgbio"
        " FilterConsensusReads practice (max-read-error-rate 0.025)",
    )
    min_base_quality: int = Field(
        default=40,
        ge=0,
        le=93,
        description="Phred; a consensus base below has no vote. Source: fgbio practice (min-base-quality 40)",
    )
    min_mapping_quality: int = Field(
        default=30,
        ge=0,
        le=255,
        description="Phred; reads placed less surely are left out. Source: mapQ >= 30, as for exomes",
    )
    trimmed_end_bases: int = Field(
        default=5,
        ge=0,
        description="bases; the first bases of a read carry end-repair errors and have no vote. Source: end-repair"
        " trimming of 5 bases, usual for cfDNA libraries",
    )

    # Consensus of raw UMI reads (a consensus BAM is taken as it is).
    min_raw_base_quality: int = Field(
        default=10,
        ge=0,
        le=93,
        description="Phred; a raw base below isn't asked. Source: fgbio CallMolecularConsensusReads"
        " (min-input-base-quality 10)",
    )
    error_rate_pre_umi: float = Field(
        default=45,
        gt=0,
        description="Phred; errors before the UMI was attached: no consensus is better. Source: fgbio"
        " (error-rate-pre-umi 45)",
    )
    error_rate_post_umi: float = Field(
        default=40,
        gt=0,
        description="Phred; errors between UMI and sequencer, added to each raw base. Source: fgbio"
        " (error-rate-post-umi 40)",
    )
    max_base_error_rate: float = Field(
        default=0.1,
        ge=0,
        lt=0.5,
        description="1; a consensus base that a larger share of raw bases contradicts has no vote. Source: fgbio"
        " FilterConsensusReads practice (max-base-error-rate 0.1)",
    )
    min_strand_size: int = Field(
        default=2,
        ge=1,
        description="raw read pairs; a molecule with so many of each strand is duplex. Source: fgbio (3,2,2)",
    )
    require_duplex: bool = Field(
        default=False,
        description="whether only molecules seen from both strands vote; off, a single strand does too. Source: simplex"
        " and duplex reads are both used in panel practice (MSK-ACCESS, Brannon 2021, Nat Commun)",
    )
    longest_fragment: int = Field(
        default=1000,
        ge=1,
        le=4095,
        description="bases; pairs further apart aren't cell-free DNA fragments. Source: DNA above 1 kb is genomic",
    )

    # Calling.
    alpha_de_novo: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; false discovery rate over all panel bases. Source: BH over the panel < 0.01",
    )
    false_calls_per_megabase: float = Field(
        default=0.2,
        gt=0,
        description="1/Mb; new alleles that errors alone may make in a megabase of one plasma, at most: each of five"
        " alleles of a base is tested at 1e-6 / 5 of it, however many variants the plasma holds. Source: product"
        " default, a fifth of the one per megabase that is allowed, for libraries that differ more than the donors'",
    )
    alpha_tracked: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="1; false discovery rate over tracked sites. Source: BH over tracked sites < 0.05",
    )
    min_alt_de_novo: int = Field(
        default=3, ge=1, description="molecules; fewer never make a new call. Source: simplex consensus practice (>= 3)"
    )
    min_alt_tracked: int = Field(
        default=2,
        ge=1,
        description="molecules; fewer never make a call at a tracked site. Source: tracking practice (>= 2)",
    )
    strand_rule_from: int = Field(
        default=6,
        ge=2,
        description="molecules; from here on both strands must show the variant. Source: both strands if n >= 6",
    )
    strand_rule_p: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="1; the strand rule holds only where this few chances are left to miss a strand, given the"
        " strand's share of the depth (amplicons read one strand only). Source: product default",
    )
    germline_band_low: float = Field(
        default=0.40,
        ge=0,
        le=1,
        description="1; VAF from here to germline_band_high looks heterozygous. Source: 40-60 %",
    )
    germline_band_high: float = Field(default=0.60, ge=0, le=1, description="1; upper end of the band. Source: 40-60 %")
    germline_homozygous: float = Field(
        default=0.95, ge=0, le=1, description="1; VAF from here looks homozygous. Source: >= 95 %"
    )
    chip_genes: tuple[str, ...] = Field(
        default=CHIP_GENES,
        description="genes of clonal haematopoiesis; a call there without white blood cells on the same panel may come"
        " from blood. Source: genes of clonal haematopoiesis seen in plasma (Razavi 2019, Nat Med)",
    )
    excluded_vaf: float = Field(
        default=0.005,
        gt=0,
        le=1,
        description="1; a variant is ABSENT only if it would have been seen at this allele fraction with"
        " required_power. Source: 1,515 unique molecules (10 ng, 50 % conversion) find 0.5 % with 0.996",
    )
    required_power: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="1; power that ABSENT and lod95_vaf ask for. Source: LoD95 convention (CLSI EP17)",
    )
    longest_indel: int = Field(
        default=30, ge=1, description="bases; longer insertions and deletions aren't counted. Source: product default"
    )

    # Variants of a patient that were seen in another sample.
    tissue_visible: int = Field(
        default=3, ge=1, description="fragments that make a variant visible in an exome. Source: analysis plan, P(<= 2)"
    )
    tissue_base_quality: int = Field(
        default=20, ge=0, le=93, description="Phred; exome bases below don't count. Source: as wes (VarScan2)"
    )
    trace_alt: int = Field(
        default=2, ge=1, description="fragments or molecules from which an uncalled variant is a trace. Source: as wes"
    )
    trace_p: float = Field(
        default=0.01, gt=0, lt=1, description="1; binomial p of a trace against the background. Source: as wes"
    )
    genotype_power: float = Field(
        default=0.8,
        gt=0,
        lt=1,
        description="1; power at the expected fraction that ABSENT asks for. Source: analysis plan, as for exomes",
    )
    tissue_floor: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="errors per fragment; no exome base is believed to be cleaner. Source: as wes",
    )
    tissue_variant_vaf: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="fraction; of an exome, positions beside a variant above it are variants, not errors. Design",
    )
    genotype_window: int = Field(
        default=50, ge=1, description="bases on each side from which a plasma's local errors are taken. Source: as wes"
    )

    # Background.
    error_floor: float = Field(
        default=1e-5,
        gt=0,
        lt=1,
        description="errors per molecule and base; no substitution is believed to be cleaner. Source: consensus"
        " residual error floor 1e-6 to 1e-5",
    )
    concentration_cap: float = Field(
        default=1e6, gt=1, description="1; alpha + beta above this is binomial in practice. Source: numerical"
    )
    spread_confidence: float = Field(
        default=0.84,
        ge=0.5,
        lt=1,
        description="1; one-sided confidence of the limit up to which error rates vary between sites and plasmas;"
        " the limit is taken, so thin backgrounds are wide. 0.5 takes the estimate. Source: product"
        " default, one standard error",
    )
    min_sites_of_run: int = Field(
        default=20,
        ge=2,
        description="sites; where a plasma's own bases are the background, homopolymers of a length with fewer sites"
        " share the indel rate of the next shorter ones. Source: product default, a variant at one site is then outside"
        " the lower 90 % that the fit starts from",
    )
    variant_free_vaf: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="1; an allele above this fraction is never taken for background. Source: product default, far above"
        " any consensus error",
    )

    min_healthy_plasmas: int = Field(
        default=10,
        ge=2,
        description="plasmas; a panel version with fewer healthy donors gets no background of its own. Source: >= 10-20"
        " healthy plasmas",
    )
    background_rate_warn: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="errors per molecule and base; a kind above it in healthy plasmas is flagged. Source: the error of"
        " raw reads at Q30, which consensus is to lower",
    )
    donor_variant_p: float = Field(
        default=1e-6,
        gt=0,
        lt=1,
        description="1; what the other donors make less probable, and fewer than half of them show, is a healthy"
        " donor's own variant, not an error. Source: product default, below one in a panel of 100,000 bases",
    )

    # Origin of an allele: the patient's white cells.
    white_cell_error: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="errors per fragment and base of reads without molecular barcodes at Q30. Source: Phred definition",
    )
    white_cell_alpha: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; below, white cells hold the allele (binomial against white_cell_error), and above, plasma holds"
        " no more of it than they (Fisher). Source: Fisher p > 0.01 means clonal haematopoiesis",
    )
    white_cell_ratio: float = Field(
        default=1 / 3,
        gt=0,
        le=1,
        description="1; an allele whose VAF in white cells is this share of plasma's comes from them. Source: >= 1/3",
    )
    germline_white_vaf: float = Field(
        default=0.30,
        gt=0,
        le=1,
        description="1; VAF in white cells from here is taken for germline. Source: product default, 4 SD below a"
        " heterozygous 0.5 at 100 fragments. In chip_genes a VAF significantly below heterozygous is CHIP all the same",
    )
    heterozygous_vaf: float = Field(
        default=0.48,
        gt=0,
        lt=1,
        description="1; alternative fraction of a heterozygous germline variant in white cells. Source: one half, less"
        " the reference bias of aligned reads (Degner 2009, Bioinformatics)",
    )
    heterozygous_concentration: float = Field(
        default=100.0,
        gt=1,
        description="1; alpha + beta of that fraction over variants: an SD of 0.05 beside the binomial's own. Source:"
        " product default, of the size of overdispersion of exomes (Heinrich 2012, Nucleic Acids Res)",
    )
    white_cell_min_base_quality: int = Field(
        default=30, ge=0, le=93, description="Phred; white cells' bases below don't count. Source: white_cell_error"
    )

    # Residual disease.
    alpha_residual: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="1; false-positive rate of the joint test over a patient's own sites. Source: specificity >= 99 %"
        " of tumour-informed assays",
    )
    min_residual_sites: int = Field(
        default=2,
        ge=2,
        description="sites; so many tracked on the panel, and so many with a molecule, before the joint test says"
        " PRESENT. Source: >= 2 sites",
    )

    # Sample quality.
    unique_depth_pass: int = Field(
        default=1500, ge=1, description="molecules; median unique depth to pass. Source: >= 1,500"
    )
    unique_depth_warn: int = Field(default=800, ge=1, description="molecules; below fails. Source: >= 800")
    on_target_warn: float = Field(
        default=0.60, ge=0, le=1, description="1; share of reads on the panel, below warns. Source: on-target >= 60 %"
    )
    uniform_depth_fraction: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="1; a base counts as covered from this share of the mean depth. Source: 0.2 x mean",
    )
    uniformity_warn: float = Field(
        default=0.90, ge=0, le=1, description="1; share of such bases, below warns. Source: uniformity >= 90 %"
    )
    family_size_low: float = Field(
        default=3, ge=1, description="raw reads; mean family size, below warns. Source: mean 3-10"
    )
    family_size_high: float = Field(
        default=10, ge=1, description="raw reads; above warns (over-sequenced). Source: mean 3-10"
    )
    strand_balance: tuple[float, float] = Field(
        default=(0.4, 0.6),
        description="1; share of raw pairs from forward strands, outside is flagged. Source: product default around the"
        " 0.5 of an unbiased duplex library",
    )
    umi_collision_warn: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="1; expected share of molecules behind another one's barcode, above is flagged. Source: product"
        " default, the share at which depth is off by a hundredth",
    )
    plasma_ml_warn: float = Field(default=3, ge=0, description="mL; less plasma warns. Source: plasma >= 3 mL")
    input_ng_pass: float = Field(default=10, ge=0, description="ng; cfDNA input to pass. Source: input >= 10 ng")
    input_ng_fail: float = Field(default=5, ge=0, description="ng; below isn't evaluable. Source: input < 5 ng")
    haemolysis_fail: int = Field(
        default=3, ge=1, description="grade 0-4; from here the plasma is taken for haemolysed. Source: product default"
    )
    gdna_pct_warn: float = Field(
        default=10, ge=0, le=100, description="%; share of DNA above 1 kb, above warns (leukocyte DNA). Source: <= 10 %"
    )
    fragment_peak_low: float = Field(default=160, ge=0, description="bp; cfDNA peak, below warns. Source: 160-180 bp")
    fragment_peak_high: float = Field(default=180, ge=0, description="bp; above warns. Source: 160-180 bp")
    raw_depth_warn: float = Field(
        default=20_000, ge=0, description="raw reads; mean per panel base, below warns. Source: raw depth >= 20,000"
    )
    fragment_pairs_least: int = Field(
        default=1000,
        ge=1,
        description="pairs; fewer have no fragment peak. Source: product default, the peak of 1,000 lengths with an SD"
        " of 12 bp lies within a few bp",
    )
    read_length_difference: int = Field(
        default=20,
        ge=0,
        description="bases; reads 1 and 2 whose greatest lengths differ by more warn: a barcode and a spacer that were"
        " taken off one of them explain no more. Source: longest barcode that is read (15) and a spacer",
    )
    deduplication_pairs: int = Field(
        default=1000,
        ge=1,
        description="pairs; so many without two that share both ends were deduplicated by position, which destroys"
        " families. Source: product default; a library of 167 bp fragments shares ends long before",
    )
    edta_hours: float = Field(
        default=6,
        gt=0,
        description="hours from draw to spin in EDTA; above, leukocytes have burst and the plasma fails. Source:"
        " EDTA > 6 h is unfit",
    )
    preserving_tube_hours: float = Field(
        default=336,
        gt=0,
        description="hours from draw to spin in a tube that fixes cells (Streck), above fails. Source: maker's"
        " instructions (Cell-Free DNA BCT: 14 days)",
    )
    conversion_warn: float = Field(
        default=0.20,
        ge=0,
        le=1,
        description="1; unique depth per genome equivalent put in, below warns. Source: >= 20 %",
    )


GENOME_EQUIVALENTS_PER_NG = 303.0
"""Haploid genome equivalents in 1 ng of human DNA (3.3 pg each)."""
