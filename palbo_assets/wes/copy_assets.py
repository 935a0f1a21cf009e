"""Products that rest on copy-number segments: genes' copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import SAMPLE
from palbo_assets.wes.segments_from_reads import COPIES_VERSION, NOT_INSTALLED, find_program
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import (
    COPY_NUMBER_SEGMENTS,
    GENE_COPY_NUMBER,
    SAMPLE_IDENTITY,
)

if TYPE_CHECKING:
    import pandas as pd

MISSING = "E_REFERENCE_MISSING"


@product(
    GENE_COPY_NUMBER,
    SAMPLE,
    upstream=(COPY_NUMBER_SEGMENTS, SAMPLE_IDENTITY),
    references=("genome_fasta", "genes_gff3", "transcripts", "centromeres"),
    settings=Settings,
    code_version=COPIES_VERSION,
    group="wes",
    kinds={"numpy", "parquet"},
)
def gene_copy_number(step: Step, copy_number_segments: pd.DataFrame, sample_identity: pd.DataFrame) -> pd.DataFrame:
    """Each gene's copies in each sequenced tumour: amplified, deleted, without heterozygosity, or why it can't be said.

    A fixed cut on log2 isn't used: copies are solved with the stated purity and judged against ploidy.
    """
    from palbo_assets.genomics.consequence import read_transcripts
    from palbo_assets.genomics.gene_exons import read_gene_exons
    from palbo_assets.wes.call import References
    from palbo_assets.wes.gene_copy_rows import NO_SEGMENTS, arms, gene_rows
    from palbo_assets.wes.hrd_scars import read_centromeres
    from palbo_assets.wes.tumour_profile import profile_of_rows

    gff3, transcripts = step.references.get("genes_gff3"), step.references.get("transcripts")
    if gff3 is None:
        step.report(genes=0, reason=MISSING)
        return frame_from_rows(GENE_COPY_NUMBER, [])
    genes = read_gene_exons(gff3, read_transcripts(transcripts) if transcripts else {})
    centromeres = step.references.get("centromeres")
    contigs = References(fasta=step.references.get("genome_fasta")).contigs()
    arms_of = arms(read_centromeres(centromeres), contigs) if centromeres else {}
    missing = step.settings.copies_from_bam and find_program(step.settings.copies_program) is None
    rows = []
    for specimen in sorted(set(copy_number_segments["specimen_id"]) | set(sample_identity["specimen_id"])):
        profile = profile_of_rows(copy_number_segments[copy_number_segments["specimen_id"] == specimen])
        found = gene_rows(genes, profile, arms_of, step.settings, NOT_INSTALLED if missing else NO_SEGMENTS)
        who = {"patient_id": step.patient_id, "timepoint": step.timepoint, "specimen_id": specimen}
        rows += [{**who, **row} for row in found]
        states = [row["state"] for row in found]
        step.report(**{state.lower(): states.count(state) for state in sorted(set(states))})
    return frame_from_rows(GENE_COPY_NUMBER, rows)
