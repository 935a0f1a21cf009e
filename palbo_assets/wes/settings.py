"""Every threshold of the exome room, with its unit and source. One model, because the products share thresholds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from palbo_assets.genomics.large_clone import CHIP_GENES


class Settings(BaseModel):
    """Thresholds. "Design" marks a value of this study's analysis plan; other sources are named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Which reads and bases count
    min_base_quality: int = Field(default=20, ge=0, description="Phred; bases below don't count. As in VarScan2")
    min_mapping_quality: int = Field(default=30, ge=0, description="Phred; reads below don't count. Design")
    target_padding: int = Field(default=100, ge=0, description="bp around targets that still count as target. Design")

    # Lists of the reference bundle
    list_most_rows: int = Field(
        default=2000,
        ge=2,
        description="rows of a list that are held against the genome; of a longer one so many, evenly spread. Design",
    )
    list_max_differing: float = Field(
        default=0.01,
        ge=0,
        lt=0.5,
        description="share of stated reference bases that may differ from the genome's: slips of a public list; "
        "of another build about 0.75 do. Design",
    )

    # Candidates and their filters
    candidate_alt_reads: int = Field(
        default=3, gt=0, description="fragments; fewer make no row. Hotspot minimum, design"
    )
    candidate_vaf: float = Field(default=0.02, description="fraction; below there is no row. Hotspot minimum, design")
    min_tumour_depth: int = Field(default=20, description="fragments in the tumour for a call. Design")
    min_alt_reads: int = Field(default=5, description="fragments with the alteration for a call. Design")
    min_alt_reads_hotspot: int = Field(default=3, description="as min_alt_reads, at a known hotspot. Design")
    min_vaf: float = Field(default=0.05, description="fraction in the tumour for a call. Design")
    min_vaf_hotspot: float = Field(default=0.02, description="as min_vaf, at a known hotspot. Design")
    min_normal_depth: int = Field(default=10, description="fragments in the normal for a call. Design")
    max_normal_alt: int = Field(default=1, description="fragments with the alteration tolerated in the normal. Design")
    max_normal_vaf: float = Field(default=0.02, description="fraction tolerated in the normal. Design")
    tumour_in_normal: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="fraction of tumour DNA in the normal, where known; relaxes its limits. Design",
    )
    germline_vaf: float = Field(
        default=0.2, description="fraction in the normal from which a variant is germline and leaves the table. Design"
    )
    chip_genes: tuple[str, ...] = Field(
        default=CHIP_GENES,
        description="genes of clonal haematopoiesis; a variant that the normal shows there clearly below heterozygous"
        " is a clone of blood cells and stays, flagged. Source: Razavi 2019 (Nat Med)",
    )
    heterozygous_vaf: float = Field(
        default=0.48,
        gt=0,
        lt=1,
        description="fraction of a heterozygous germline variant in the normal. One half, less the reference bias of"
        " aligned reads (Degner 2009, Bioinformatics)",
    )
    heterozygous_concentration: float = Field(
        default=100.0,
        gt=1,
        description="1, alpha + beta of that fraction over variants: SD 0.05 beside the binomial's own. Design, of the"
        " size of overdispersion of exomes (Heinrich 2012, Nucleic Acids Res)",
    )
    clone_alpha: float = Field(
        default=0.01, gt=0, lt=1, description="p below which the normal excludes a heterozygous variant. Design"
    )
    max_somatic_p: float = Field(
        default=0.05, description="one-sided Fisher p, tumour above normal. VarScan2's default"
    )
    max_strand_phred: float = Field(
        default=60.0, description="Phred of two-sided Fisher p for strand bias. GATK's FS limit"
    )
    min_tumour_lod: float = Field(
        default=6.3,
        description="log10 odds of the variant over base errors, substitutions only. MuTect (Cibulskis 2013)",
    )
    min_end_distance: float = Field(
        default=5.0, ge=0, description="bp, mean distance of alternative bases to the nearer end of their reads. Design"
    )
    artefact_vaf: float = Field(
        default=0.1, description="fraction below which FFPE and oxoG changes need both orientations. Design"
    )
    max_orientation_p: float = Field(
        default=0.05, description="two-sided binomial p of F1R2 against F2R1 for such changes, at most. Design"
    )
    mnv_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the fragments of each of neighbouring substitutions that show all, to be one. Design",
    )
    max_population_af: float = Field(default=0.001, description="fraction of any population's alleles, at most. Design")
    homopolymer_length: int = Field(default=7, description="bp; indels in runs this long need more evidence. Design")
    homopolymer_vaf: float = Field(default=0.1, description="fraction that indels in homopolymers need. Design")

    min_callers: int = Field(
        default=1,
        ge=1,
        description="sources that must pass a variant, of those that could have seen it: each lab caller is one, our "
        "own counting of the alignments is one. 1 takes what any says; 2 is the usual consensus. Design",
    )

    # Identity
    snp_min_depth: int = Field(default=20, description="fragments at a SNP in both samples. Design")
    snp_homozygous_vaf: float = Field(
        default=0.1, lt=0.5, description="fraction from 0 or 1 that still is homozygous. Design"
    )
    identity_min_sites: int = Field(default=100, description="covered SNPs needed for a verdict in exomes. Design")
    identity_pass: float = Field(
        default=0.99, description="concordance at homozygous sites; below: impure. Conpair README"
    )
    identity_fail: float = Field(
        default=0.95, description="concordance at homozygous sites; below: swap. After Conpair"
    )

    # All against all
    match_error: float = Field(
        default=0.01, gt=0, lt=0.5, description="share of the other allele at homozygous SNPs: errors, a trace. Design"
    )
    match_error_spread: float = Field(
        default=100, gt=0, description="pseudo-fragments behind match_error (beta distribution). Design"
    )
    match_het_sharpness: float = Field(
        default=20, gt=0, description="pseudo-fragments on each side of one half for heterozygous SNPs of blood. Design"
    )
    match_min_depth: int = Field(
        default=2,
        gt=0,
        description="fragments from which a SNP counts as seen in all-against-all. NGSCheckMate's lowest",
    )
    match_min_sites: int = Field(
        default=30, description="SNPs seen in both samples for a verdict (panels, RNA). Design, after NGSCheckMate"
    )
    match_min_score: float = Field(
        default=3.0, description="log10 likelihood ratio of one person against two: 1,000 to 1. Design"
    )
    match_homozygous: float = Field(
        default=0.95, description="likelihood share from which a genotype counts as homozygous. Design"
    )
    match_rna_misleading: float = Field(
        default=0.03,
        ge=0,
        lt=1,
        description="share of RNA SNPs whose reads say nothing of the genome: edited, or of a copy of the gene. Design",
    )
    match_rna_concordance: float = Field(
        default=0.8,
        description="as identity_fail, where one of two samples is RNA: one expressed allele looks homozygous. Design",
    )
    contamination_error: float = Field(
        default=1e-3,
        gt=0,
        lt=0.1,
        description="errors per fragment towards the other allele, at base quality 20+. Design",
    )
    contamination_min_sites: int = Field(
        default=50, description="homozygous SNPs for an estimate of contamination. Design"
    )
    snp_frequency: float = Field(
        default=0.5, gt=0, lt=1, description="population frequency of an identity SNP where snp_bed states none. Design"
    )
    contamination_pass: float = Field(default=0.01, description="fraction, at most. Design, after GATK and Conpair")
    contamination_fail: float = Field(default=0.03, description="fraction, at most. Design")
    insert_pass: float = Field(default=150, description="bp, median fragment length of the tumour. Design (FFPE)")
    insert_fail: float = Field(default=100, description="bp, median fragment length of the tumour. Design (FFPE)")
    sex_min_bases: int = Field(default=10_000, description="target bases of X (and of autosomes) to judge sex. Design")
    sex_y_male: float = Field(default=0.2, description="Y depth / autosomal depth from which a Y is there. Design")
    sex_y_female: float = Field(default=0.1, description="Y depth / autosomal depth up to which none is. Design")
    sex_x_male: float = Field(default=0.75, description="X depth / autosomal depth below which there is one X. Design")

    sex_x_error: float = Field(
        default=0.02, gt=0, lt=0.5, description="share of SNPs of a single X that look heterozygous by error. Design"
    )
    sex_x_score: float = Field(
        default=3.0, gt=0, description="log10 likelihood ratio of two X against one, or the reverse. Design"
    )

    # Read quality: (pass limit, fail limit), between them warn. Design
    tumour_depth_pass: float = Field(default=100, description="x, mean over targets. Design")
    tumour_depth_fail: float = Field(default=60, description="x, mean over targets. Design")
    normal_depth_pass: float = Field(default=50, description="x, mean over targets. Design")
    normal_depth_fail: float = Field(default=30, description="x, mean over targets. Design")
    covered_20x_pass: float = Field(default=90, description="% of target bases at 20x or more. Design")
    covered_20x_fail: float = Field(default=80, description="% of target bases at 20x or more. Design")
    mapped_pass: float = Field(default=95, description="% of primary reads. Design")
    mapped_fail: float = Field(default=90, description="% of primary reads. Design")
    duplicates_pass: float = Field(default=30, description="% of mapped primary reads, at most. Design")
    duplicates_fail: float = Field(default=60, description="% of mapped primary reads, at most. Design")
    on_target_pass: float = Field(default=60, description="% of mapped, unique primary reads in padded targets. Design")
    on_target_fail: float = Field(default=40, description="% of mapped, unique primary reads in padded targets. Design")

    # Copy number
    cn_min_purity: float = Field(
        default=0.30, gt=0, le=1, description="fraction of tumour cells; below, copies are NOT_EVALUABLE. Design"
    )
    cn_high_ploidy: float = Field(default=2.7, description="copies; above, the genome counts as doubled. COSMIC")
    cn_amplified: int = Field(default=5, description="copies, at least, at ploidy up to cn_high_ploidy. COSMIC")
    cn_amplified_doubled: int = Field(default=9, description="copies, at least, above cn_high_ploidy. COSMIC")
    cn_focal_bases: int = Field(default=3_000_000, description="bp; a shorter event is focal. Design")
    cn_arm_share: float = Field(default=0.7, description="share of an arm that an arm-level event covers. Design")
    cn_min_exon_share: float = Field(default=0.9, description="share of exons in segments to judge a gene. Design")
    cn_log2_zero: float = Field(
        default=2.0,
        gt=0,
        description="copies of a tumour cell where log2 is 0: 2 for ratios centred on the diploid mode. CNVkit",
    )
    cn_log2_rescaled: bool | None = Field(
        default=None,
        description="yes or no: whether CNVkit's log2 beside a cn column was rescaled for purity, which the file "
        "doesn't say; unknown leaves such files NOT_EVALUABLE. Design",
    )
    copies_from_bam: bool = Field(
        default=False,
        description="yes or no: make segments with CNVkit from the alignments of tumours that came without. It takes "
        "minutes an exome and knows no purity, so it is asked for. Design",
    )
    copies_program: str = Field(
        default="cnvkit.py", description="CNVkit's program: a path, or a name beside Python or on PATH"
    )
    copies_timeout: float = Field(
        default=4.0,
        gt=0,
        description="hours that CNVkit may take for a tumour. An exome takes minutes to one hour on one core. Design",
    )
    copies_method: Literal["haar", "hmm-tumor", "cbs"] = Field(
        default="haar", description="CNVkit's segmentation; cbs needs R and DNAcopy. HaarSeg needs neither"
    )
    cn_max_segments: int = Field(default=1000, gt=0, description="segments of a tumour; more is noise. Design")
    cn_max_deleted_share: float = Field(
        default=0.1, gt=0, le=1, description="share of genes without a copy; more is a wrong purity or ploidy. Design"
    )
    purity_tolerance: float = Field(
        default=0.15, ge=0, description="fraction; two stated purities that differ more contradict. Design"
    )

    # Cancer cell fraction
    ccf_whole_copies: float = Field(
        default=0.25,
        ge=0,
        le=0.5,
        description="copies; a fractional copy number closer to a whole one is that of all cells, else two populations "
        "have the whole ones next to it. Half-way between none and the most there can be, design",
    )
    purity_sd: float = Field(
        default=0.05,
        ge=0,
        lt=0.3,
        description="fraction, standard deviation of a purity without a stated interval, for clones' prevalence. Two "
        "such purities differ by more than purity_tolerance in 3 %, design",
    )
    ccf_mass: float = Field(default=0.95, gt=0, lt=1, description="posterior mass of an interval. The usual 95 %")
    ccf_error_rate: float = Field(
        default=0.001,
        gt=0,
        lt=0.1,
        description="share of fragments that show the mutation wrongly. PyClone (Roth 2014)",
    )
    ccf_clonal: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="fraction of tumour cells that a clonal mutation's interval reaches. Design",
    )
    ccf_change_ratio: float = Field(
        default=2.0, gt=1, description="fold change of a clone, intervals apart, from which it changed. Design"
    )

    # Clones
    clone_precision: float = Field(
        default=200,
        gt=0,
        description="pseudo-fragments of the beta-binomial from which fits start: how closely reads follow a fraction; "
        "then the tumours' own is learnt. PyClone-VI's default",
    )
    clone_max: int = Field(default=10, gt=0, description="clones, at most, that are tried. Design, as PyClone-VI's -c")
    clone_starts: int = Field(default=10, gt=0, description="starts of each fit; the best stands. Design")
    clone_min_variants: int = Field(default=2, gt=0, description="variants; no clones from fewer. Design")

    # Scars of homologous recombination deficiency
    hrd_loh_length: int = Field(default=15_000_000, description="bp; LOH must be longer. Abkevich 2012, scarHRD")
    hrd_tai_length: int = Field(default=1_000_000, description="bp; shorter segments are left out of TAI. scarHRD")
    hrd_lst_length: int = Field(default=10_000_000, description="bp on both sides of a transition. Popova 2012")
    hrd_lst_smooth: int = Field(
        default=3_000_000, description="bp; shorter segments are smoothed away, wider gaps break. Popova 2012"
    )
    hrd_ploidy_slope: float = Field(default=15.5, description="events per unit of ploidy. Popova 2012, scarHRD")
    hrd_min_purity: float = Field(default=0.3, description="fraction of tumour cells; no scars below. Design")
    hrd_min_segments: int = Field(default=30, description="autosomal segments, joined; no scars below. Design")
    hrd_max_unphased: float = Field(
        default=0.1,
        description="share of segmented autosomal bases without copies of both alleles that may be left out; above, "
        "no scars. Design",
    )
    hrd_high: int = Field(
        default=42, description="sum of scars from which a tumour is called high. MyChoice's cut-off (Telli 2016)"
    )

    # Mutational burden
    tmb_confidence: float = Field(default=0.95, gt=0, lt=1, description="coverage of the Poisson interval. Design")
    tmb_min_callable: int = Field(default=1_000_000, gt=0, description="callable bases; no burden below. Design")
    tmb_high: float = Field(
        default=10.0, description="coding mutations per Mb from which a burden is high. FDA 2020 (KEYNOTE-158)"
    )

    # Mutational signatures
    signatures: tuple[str, ...] = Field(
        default=("SBS1", "SBS2", "SBS3", "SBS5", "SBS8", "SBS13", "SBS17a", "SBS17b", "SBS18"),
        description="names of the profiles to fit. Signatures of breast cancer (Nik-Zainal 2016), design",
    )
    apobec_signatures: tuple[str, ...] = Field(
        default=("SBS2", "SBS13"), description="names of the profiles of APOBEC3. COSMIC"
    )
    signature_version: str = Field(
        default="v3.4",
        description="COSMIC release read from SigProfilerAssignment. The one that accuracy is stated for",
    )
    signature_min_mutations: int = Field(
        default=20, gt=0, description="SNVs; no shares below. Design, after simulation of APOBEC shares"
    )
    signature_sure_mutations: int = Field(default=50, description="SNVs; below, shares are of low confidence. Design")
    signature_prior: float = Field(
        default=0.5,
        ge=0,
        description="mutations that each signature is given beforehand: half a one, as Jeffreys' prior adds to counts. "
        "An APOBEC share of 0.40 is then found within 0.29-0.49 in over 9 of 10 tumours of 100 SNVs. Design, measured",
    )
    signature_prior_from: int = Field(
        default=100,
        gt=0,
        description="SNVs; below, signature_prior is smaller in proportion, so that it never weighs more. Design",
    )
    signature_bootstraps: int = Field(default=200, gt=0, description="resamplings for the interval. Design")
    signature_confidence: float = Field(default=0.95, gt=0, lt=1, description="coverage of the interval. Design")
    signature_min_cosine: float = Field(
        default=0.90, description="similarity of spectrum and reconstruction; below, a check names the tumour. Design"
    )
    apobec_high_share: float = Field(default=0.25, description="share of APOBEC from which it is high. Design")
    apobec_high_low: float = Field(
        default=0.10, description="lower end of the interval that high APOBEC must exceed. Design"
    )
    apobec_flank: int = Field(default=20, gt=1, description="bp on each side that count as context. Roberts 2013")
    apobec_min_mutations: int = Field(
        default=20, gt=0, description="C>T and C>G; no enrichment below. Design, as signature_min_mutations"
    )
    apobec_max_q: float = Field(default=0.05, description="Benjamini-Hochberg q of enrichment, below. Roberts 2013")

    @model_validator(mode="after")
    def _apobec_is_fitted(self) -> Settings:
        if not set(self.apobec_signatures) <= set(self.signatures):
            raise ValueError("apobec_signatures must be among signatures")
        return self
