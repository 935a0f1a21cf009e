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
        ),
        description="sets that are listed as NOT_EVALUABLE when the reference bundle has no gene_sets",
    )
    confident_margin: float = Field(
        default=0.10,
        ge=0,
        le=2,
        description="difference of the best and the second correlation from which a subtype call counts as confident."
        " Source: product default",
    )
