"""Every threshold of the room, with its unit and its source."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Thresholds of expression quality, signature scores and intrinsic subtype."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assigned_reads_min: float = Field(
        default=25e6,
        ge=0,
        description="reads; fewer reads assigned to genes fail the sample. Source: Liu 2022, BMC Med Genomics"
        " (130 FFPE breast biopsies)",
    )
    detected_genes_min: int = Field(
        default=11_400,
        ge=0,
        description="genes; fewer genes with TPM > 4 fail the sample. Source: Liu 2022, BMC Med Genomics",
    )
    whole_transcriptome_genes: int = Field(
        default=15_000,
        ge=0,
        description="genes; an annotation with fewer genes is a targeted one, where the count of detected genes, which"
        " was derived on whole transcriptomes, isn't judged. Source: product default",
    )
    mapped_share_warn: float = Field(
        default=0.70, ge=0, le=1, description="share of reads; a smaller mapped share warns. Source: field convention"
    )
    mapped_share_fail: float = Field(
        default=0.50, ge=0, le=1, description="share of reads; a smaller mapped share fails. Source: field convention"
    )
    mito_share_max: float = Field(
        default=0.20,
        ge=0,
        le=1,
        description="share of assigned reads in MT- genes; more warns. Source: field convention",
    )
    haemoglobin_share_max: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of assigned reads in HBA1, HBA2 and HBB; more warns of blood in the biopsy."
        " Source: field convention",
    )
    three_prime_ratio_max: float = Field(
        default=3.0,
        gt=0,
        description="ratio; a median 3' to 5' coverage above it (or below its inverse) warns, where the lab delivers"
        " Picard's or Qualimap's metrics. Source: field convention",
    )
    ribosomal_share_max: float = Field(
        default=0.10,
        ge=0,
        le=1,
        description="share of aligned bases in ribosomal RNA; more warns, where Picard's metrics are delivered."
        " Source: field convention",
    )
    sex_gene_tpm: float = Field(
        default=1.0, ge=0, description="TPM; XIST or RPS4Y1 above it counts as expressed. Source: product default"
    )
    hepatocyte_share_max: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of assigned reads in ALB and APOA1; more warns of hepatocytes in the biopsy."
        " Source: product default",
    )
    median_correlation_min: float = Field(
        default=0.75,
        ge=-1,
        le=1,
        description="Spearman's rho; a smaller median with the other specimens fails. Source: Liu 2022,"
        " BMC Med Genomics",
    )
    exonic_share_min: float = Field(
        default=0.30,
        ge=0,
        le=1,
        description="share of aligned bases in exons; less warns, where Picard's or Qualimap's metrics are delivered."
        " Source: field convention for total RNA (poly-A and capture libraries: 0.60)",
    )
    housekeeping_genes: tuple[str, ...] = Field(
        default=("ACTB", "GAPDH", "RPLP0", "PUM1", "TBP"),
        description="symbols that every human tissue expresses. Source: field convention",
    )
    expressed_tpm: float = Field(
        default=1.0, ge=0, description="TPM; a gene above it counts as expressed. Source: field convention"
    )
    clearly_expressed_tpm: float = Field(
        default=4.0, ge=0, description="TPM; a gene above it counts as detected for the verdict. Source: Liu 2022"
    )
    unmapped_transcripts_warn: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of reads on transcripts that the transcript-to-gene map lacks; more warns."
        " Source: product default",
    )
    unmapped_transcripts_max: float = Field(
        default=0.50,
        ge=0,
        le=1,
        description="share of reads on transcripts that the transcript-to-gene map lacks; above it the map is taken for"
        " another annotation's and nothing is computed. Source: product default",
    )
    min_gene_coverage: float = Field(
        default=0.80,
        ge=0,
        le=1,
        description="share of a signature's (or PAM50's) genes that the annotation must have; below it the score is"
        " null and NOT_EVALUABLE. Source: product default",
    )
    ssgsea_alpha: float = Field(
        default=0.25, ge=0, description="exponent of the rank weights of ssGSEA. Source: Barbie 2009, Nature"
    )
    expected_gene_sets: tuple[str, ...] = Field(
        default=(
            "HALLMARK_E2F_TARGETS",
            "HALLMARK_G2M_CHECKPOINT",
            "HALLMARK_ESTROGEN_RESPONSE_EARLY",
            "HALLMARK_ESTROGEN_RESPONSE_LATE",
            "HALLMARK_INTERFERON_ALPHA_RESPONSE",
            "HALLMARK_INTERFERON_GAMMA_RESPONSE",
            "HALLMARK_MYC_TARGETS_V1",
            "HALLMARK_PI3K_AKT_MTOR_SIGNALING",
        ),
        description="sets that are listed as NOT_EVALUABLE when the reference bundle has no gene_sets",
    )
    noisy_signature_genes: tuple[str, ...] = Field(
        default=(
            "CD36", "CSTA", "NRGN", "C5AR2", "CEP19", "CYP4F3", "DOCK5", "HAL", "LRRK2", "LY96", "NINJ2", "PPP1R3B",
            "TECPR2", "TLR1", "TLR4", "TMEM154", "CD248",
        ),
        description="genes of the immune signature that are left out because they are noisy in RNA-seq."
        " Source: quanTIseq's TIL10 list (Finotello 2019, Genome Medicine 11:34)",
    )  # fmt: skip
    tumour_signature_genes: tuple[str, ...] = Field(
        default=(
            "NUPR1", "CD36", "CSTA", "HPGD", "CFB", "ECM1", "FCGBP", "PLTP", "FXYD6", "HOPX", "SERPING1", "ENPP2",
            "GATM", "PDPN", "ADAM6", "FCRLA", "SLC1A3",
        ),
        description="genes of the immune signature that are left out because tumours express them."
        " Source: quanTIseq's TIL10 list of aberrant genes in TCGA",
    )  # fmt: skip
    expected_populations: tuple[str, ...] = Field(
        default=("B.cells", "T.cells.CD4", "T.cells.CD8", "Tregs", "NK.cells", "Macrophages.M1", "Macrophages.M2"),
        description="cell types that are listed as NOT_EVALUABLE when the reference bundle has no immune_signature",
    )
    unit_tolerance: float = Field(
        default=0.01,
        gt=0,
        description="share; values of a table that agree with a unit (TPM, FPKM, CPM) within it are of that unit."
        " Source: quantifiers print TPM to at least two decimals, and units differ by more in nearly every gene",
    )
    unit_rounding_tpm: float = Field(
        default=0.01, ge=0, description="TPM; last printed digit. Source: RSEM prints two decimals"
    )
    unit_genes_min: int = Field(
        default=100,
        ge=2,
        description="expressed genes; with fewer the unit of a merged matrix isn't judged. Source: product default",
    )
    unit_alike_min: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="share of genes with one ratio of TPM to reads from which two matrices are one in two units."
        " Source: product default; lengths of genes differ more than tenfold, small values are rounded",
    )
    whole_reads_min: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of expressed genes with a whole number below which a column holds no reads. Source: product"
        " default; measured 0.22 to 0.48 of reads of salmon and RSEM, 0.002 to 0.009 of TPM and FPKM (docs/rnaseq.md)",
    )
    pairs_min: int = Field(
        default=6,
        ge=2,
        description="pairs; with fewer a contrast isn't tested. Source: Schurch 2016, RNA 22:839 (at least six"
        " replicates)",
    )
    cpm_min: float = Field(
        default=1.0,
        ge=0,
        description="reads per million that a gene needs in as many specimens as there are pairs to be tested."
        " Source: field convention (edgeR's filter)",
    )
    significant_q: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="q value below which a change counts as significant. Source: analysis plan",
    )
    significant_log2fc: float = Field(
        default=1.0, ge=0, description="log2; least fold change of a significant gene. Source: analysis plan"
    )
    confident_margin: float = Field(
        default=0.10,
        ge=0,
        le=2,
        description="difference of the best and the second correlation from which a subtype call counts as confident."
        " Source: product default",
    )
