"""The molecules of one plasma: at every base of its panel, and at the SNPs that tell whose it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import GROUP, READS, panel_of, plasmas, sample_keys
from palbo_assets.ctdna.tables import CTDNA_MOLECULES, PLASMA_SNP_GENOTYPES
from palbo_assets.platform.product import Step, product
from palbo_assets.study.partitions import SAMPLE

if TYPE_CHECKING:
    import pandas as pd


@product(
    CTDNA_MOLECULES,
    SAMPLE,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam", "panel_bed"),
    references=("genome_fasta",),
    settings=Settings,
    code_version="3",
    group=GROUP,
    kinds={"bam", "numba", "parquet"},
)
def ctdna_molecules(step: Step) -> pd.DataFrame:
    """Molecules per allele and strand at every panel base: of a consensus BAM as it is, of raw UMI reads called here.

    Where the bundle lacks the genome the bases are N and no indel has a name; depth and quality are known all the same.
    """
    import pandas as pd

    from palbo_assets.ctdna.fragments import library_of
    from palbo_assets.ctdna.molecule_table import frame_of
    from palbo_assets.ctdna.molecules import count_molecules, fasta_reference
    from palbo_assets.ctdna.umi import find_umi, stated_source
    from palbo_assets.ctdna.umi_consensus import consensus_molecules
    from palbo_assets.platform.tables import coerce, empty_frame

    fasta = step.references.get("genome_fasta")
    bases = fasta_reference(fasta) if fasta else lambda chrom, start, end: "N" * (end - start)
    frames = []
    for file in plasmas(step):
        panel = panel_of(step, file)
        if panel is None:
            continue
        barcodes = None
        if file.role == "raw_umi_bam":
            source = stated_source(file.facts) or find_umi(file.path)
            counts, barcodes = consensus_molecules(file.path, source, panel, bases, step.settings)
        else:
            counts = count_molecules(file.path, panel, bases, step.settings)
        if fasta is None:
            counts = replace(counts, indels={})
        library = library_of(file.path, panel.regions, step.settings, raw=file.role == "raw_umi_bam")
        frames.append(frame_of(panel.version, counts, barcodes, library).assign(**sample_keys(step, file.specimen_id)))
    step.report(plasmas=len(frames), panel_bases=sum(map(len, frames)))
    if not frames:
        return empty_frame(CTDNA_MOLECULES)
    return coerce(CTDNA_MOLECULES, pd.concat(frames, ignore_index=True))


@product(
    PLASMA_SNP_GENOTYPES,
    SAMPLE,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam"),
    references=("genome_fasta", "snp_bed"),
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"bam", "numba", "parquet"},
)
def plasma_snp_genotypes(step: Step) -> pd.DataFrame:
    """Molecules with each allele of the identity SNPs in each plasma, where there are any; without the references none.

    Whose a plasma is doesn't depend on its panel: it is told even where the panel version isn't known.
    """
    from palbo_assets.ctdna.snp_alleles import of_consensus_reads, of_raw_reads
    from palbo_assets.ctdna.umi import find_umi, stated_source
    from palbo_assets.genomics.identity_snps import read_frequencies, read_snps
    from palbo_assets.genomics.regions import reference
    from palbo_assets.platform.tables import frame_from_rows
    from palbo_assets.study.reference_lists import hold_lists_to_build
    from palbo_assets.study.snp_counts import snp_rows

    bed, fasta = step.references.get("snp_bed"), step.references.get("genome_fasta")
    if bed is None or fasta is None:
        step.report(rows=0, reason="E_REFERENCE_MISSING")
        return frame_from_rows(PLASMA_SNP_GENOTYPES, [])
    hold_lists_to_build(step, ("snp_bed",))
    snps, frequencies = read_snps(bed), read_frequencies(bed)
    rows = []
    for file in plasmas(step):
        if file.role == "raw_umi_bam":
            seen = of_raw_reads(file.path, stated_source(file.facts) or find_umi(file.path), snps, step.settings)
        else:
            with reference(fasta) as fetch:
                seen = of_consensus_reads(file.path, snps, fetch, step.settings)
        rows += snp_rows({**sample_keys(step, file.specimen_id), "source": "plasma"}, snps, frequencies, seen)
    rows = [row for row in rows if row["depth"]]
    step.report(rows=len(rows), reason="")
    return frame_from_rows(PLASMA_SNP_GENOTYPES, rows)
