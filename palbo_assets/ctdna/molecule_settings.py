"""Thresholds of what becomes a molecule and which bases vote (part of the room's `Settings`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MoleculeSettings(BaseModel):
    """Limits of the lists that are read, of consensus reads and bases, and of consensus from raw UMI reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
