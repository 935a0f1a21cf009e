"""Thresholds of calls, of power and of the errors they are held against (part of the room's `Settings`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from palbo_assets.genomics.large_clone import CHIP_GENES


class CallingSettings(BaseModel):
    """Limits of calls, of the patient's variants in other samples, and of the background."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
