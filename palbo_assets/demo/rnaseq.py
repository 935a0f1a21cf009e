"""RNA-seq of the twin: salmon's quant.sf of 2,000 genes, its tx2gene, and the frozen PAM50 reference.

Symbols that signatures and PAM50 need are real; every number is made up, from a fixed seed. The five centroids have
the shape of the real ones (luminal, proliferation, HER2 and basal genes rise and fall together) and are no published
values.
Accessions have Ensembl's form with a species code that doesn't exist.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.demo.truth import SampleTruth, WrittenFile

if TYPE_CHECKING:
    import numpy as np

SUBTYPES = ("LumA", "LumB", "Her2", "Basal", "Normal")
N_GENES = 2000
DESIGN_SEED = 20_650
MODALITY = "rnaseq"
VERSION = "synthetic-1"
FRAGMENT_LENGTH = 180  # bases; salmon's effective length is about the length minus this
BIOLOGICAL_SD = 0.2  # log2, gene by gene

# PAM50 by what its genes do together, and how far (log2) each group lies from the frozen median in each subtype.
PAM50_GROUPS: Mapping[str, tuple[str, ...]] = {
    "luminal": (
        "ESR1", "PGR", "FOXA1", "MLPH", "NAT1", "SLC39A6", "MAPT", "BCL2", "BAG1", "CXXC5", "GPR160", "TMEM45B",
        "BLVRA", "MDM2",
    ),
    "proliferation": (
        "ANLN", "BIRC5", "CCNB1", "CCNE1", "CDC20", "CDC6", "CENPF", "CEP55", "EXO1", "KIF2C", "MELK", "MKI67", "MYBL2",
        "NDC80", "NUF2", "ORC6", "PTTG1", "RRM2", "TYMS", "UBE2C", "UBE2T",
    ),
    "her2": ("ERBB2", "GRB7", "FGFR4"),
    "basal": ("KRT5", "KRT14", "KRT17", "FOXC1", "CDH3", "MIA", "SFRP1", "EGFR", "PHGDH", "MYC", "ACTR3B"),
    "stroma": ("MMP11",),
}  # fmt: skip
GROUP_LEVELS: Mapping[str, tuple[float, ...]] = {  # in the order of SUBTYPES
    "luminal": (1.6, 0.9, -0.5, -2.0, 0.0),
    "proliferation": (-1.2, 0.8, 0.6, 1.2, -1.5),
    "her2": (-0.4, 0.0, 2.5, -1.0, -0.3),
    "basal": (-0.3, -1.6, -0.6, 1.8, 1.5),
    "stroma": (0.5, 0.6, 0.8, 0.1, -1.5),
}

# Members of published sets (each is a subset of the MSigDB Hallmark set of that name, v7.0, CC BY 4.0).
CORE_SETS: Mapping[str, tuple[str, ...]] = {
    "E2F_TARGETS_CORE": (
        "MCM2", "MCM3", "MCM4", "MCM5", "MCM6", "MCM7", "PCNA", "RRM2", "CDK1", "TOP2A", "MKI67", "BIRC5", "CHEK1",
        "EZH2", "TK1", "DUT", "RFC3", "LIG1", "DNMT1", "HELLS", "MELK", "MYBL2", "AURKA", "AURKB", "PLK1", "CDC20",
    ),
    "ESTROGEN_RESPONSE_CORE": (
        "GREB1", "CA12", "TFF1", "PGR", "MYB", "IGFBP4", "NRIP1", "PDZK1", "XBP1", "TFF3", "STC2", "RARA", "SLC39A6",
        "BCL2", "CCND1", "MAPT", "MLPH", "AREG", "CELSR2", "SIAH2",
    ),
    "INTERFERON_ALPHA_CORE": (
        "MX1", "ISG15", "IFIT2", "IFIT3", "IFI44", "IFI44L", "IFI35", "IRF7", "RSAD2", "IFI27", "IRF9", "OASL",
        "CXCL10", "TAP1", "USP18", "BST2", "STAT2", "CMPK2", "IFIH1", "DDX60",
    ),
}  # fmt: skip
_SET_FOLLOWS = {"E2F_TARGETS_CORE": "proliferation", "ESTROGEN_RESPONSE_CORE": "luminal"}
DECOY_SET = "SYNTHETIC_DECOY"

IMMUNE = (
    "GZMA", "PRF1", "GZMB", "GZMH", "NKG7", "KLRK1", "KLRB1", "KLRD1", "CTSW", "GNLY", "CD8A", "CD8B", "CD3D", "CD3E",
    "CD3G", "CD6", "SH2D1A", "TRAT1", "BLK", "CD19", "FCRL2", "MS4A1", "FAM30A", "TNFRSF17", "TCL1A", "SPIB", "PNOC",
    "LAG3", "CD244", "EOMES", "PTGER4", "FOXP3", "CD68", "CD84", "CD163", "MS4A4A", "CD274", "PDCD1", "CXCL9", "PTPRC",
)  # fmt: skip
MYELOID = (  # further cells of Danaher's lists and of the made-up signature
    "XCL1", "XCL2", "NCR1", "TPSB2", "TPSAB1", "CPA3", "MS4A2", "HDC", "FPR1", "SIGLEC5", "CSF3R", "FCAR", "FCGR3B",
    "CEACAM3", "S100A12", "CCL13", "CD209", "HSD11B1",
)  # fmt: skip
# Cell types of the made-up immune signature, and the genes of which each expresses most.
CELL_TYPES: Mapping[str, tuple[str, ...]] = {
    "B.cells": ("BLK", "CD19", "FCRL2", "MS4A1", "FAM30A", "TNFRSF17", "TCL1A", "SPIB", "PNOC"),
    "T.cells.CD4": ("CD3D", "CD3E", "CD3G", "CD6", "SH2D1A", "TRAT1"),
    "T.cells.CD8": ("CD8A", "CD8B", "GZMA", "GZMH", "PRF1", "CTSW"),
    "Tregs": ("FOXP3", "CD3D", "CD3E"),
    "NK.cells": ("XCL1", "XCL2", "NCR1", "GNLY", "KLRD1", "KLRB1"),
    "Macrophages.M1": ("CD68", "CD84", "CXCL9"),
    "Macrophages.M2": ("CD163", "MS4A4A", "CD209", "CCL13"),
}
OTHERS = (
    "CCNE2", "CDK2", "CDK4", "CDK6", "CDKN2A", "CDKN1A", "CDKN1B", "RB1", "E2F1", "E2F2", "FGFR1", "FGFR2", "NRG1",
    "ERBB3", "PIK3CA", "AKT1", "PTEN", "TP53", "KRAS", "NRAS", "HRAS", "NF1", "BRAF", "MAP2K1", "FAT1", "KMT2C",
    "ARID1A", "GATA3", "TBX3", "MAP3K1", "CDH1", "BRCA1", "BRCA2", "APOBEC3A", "APOBEC3B", "AR", "VIM",
)  # fmt: skip
HOUSEKEEPING = ("ACTB", "GAPDH", "RPLP0", "PUM1", "TBP")
HAEMOGLOBIN = ("HBA1", "HBA2", "HBB")
LIVER = ("ALB", "APOA1")
MITOCHONDRIAL = (
    "MT-ND1", "MT-ND2", "MT-CO1", "MT-CO2", "MT-ATP8", "MT-ATP6", "MT-CO3", "MT-ND3", "MT-ND4L", "MT-ND4", "MT-ND5",
    "MT-ND6", "MT-CYB",
)  # fmt: skip


@dataclass(frozen=True)
class Transcriptome:
    """The twin's genes and transcripts: arrays in one order each; ``gene`` gives each transcript's gene by position."""

    symbols: tuple[str, ...]
    reference_tpm: np.ndarray  # (genes,) TPM of the frozen reference; they sum to a million
    profile: np.ndarray  # (genes, subtypes) log2 shift of each subtype against the reference
    gene: np.ndarray  # (transcripts,)
    length: np.ndarray  # (transcripts,) bases
    share: np.ndarray  # (transcripts,) share of the gene's molecules

    def gene_id(self, position: int) -> str:
        return f"ENSTWNG{position + 1:011d}"

    def transcript_id(self, position: int) -> str:
        return f"ENSTWNT{position + 1:011d}.{position % 7 + 1}"


@lru_cache(maxsize=1)
def transcriptome() -> Transcriptome:
    """The one transcriptome of the twin; the same in every run."""
    import numpy as np

    rng = np.random.default_rng(DESIGN_SEED)
    real = dict.fromkeys(
        (
            *(gene for group in PAM50_GROUPS.values() for gene in group),
            *(gene for members in CORE_SETS.values() for gene in members),
            *IMMUNE, *OTHERS, *HOUSEKEEPING, *HAEMOGLOBIN, *MITOCHONDRIAL, "XIST", "RPS4Y1", *MYELOID, *LIVER,
        )
    )  # fmt: skip
    symbols = (*real, *(f"SYN{i + 1:04d}" for i in range(N_GENES - len(real))))
    position = {symbol: i for i, symbol in enumerate(symbols)}

    level = rng.normal(7.5, 2.2, N_GENES)  # log2 TPM
    level[: len(real)] = rng.normal(7.0, 0.8, len(real))
    kinds: tuple[tuple[tuple[str, ...], float, float], ...] = (
        (IMMUNE, 4.5, 0.7),
        (MYELOID, 3.5, 0.7),
        (LIVER, 3.0, 0.5),
        (HOUSEKEEPING, 10.0, 0.7),
        (MITOCHONDRIAL, 12.0, 0.5),
    )
    for genes, typical, spread in kinds:
        level[[position[gene] for gene in genes]] = rng.normal(typical, spread, len(genes))
    level[[position[gene] for gene in HAEMOGLOBIN]] = (7.0, 7.4, 8.1)
    tpm = 2.0**level
    tpm[position["RPS4Y1"]] = 0.0  # the twin's patients have no Y chromosome
    tpm *= 1e6 / tpm.sum()

    profile = np.zeros((N_GENES, len(SUBTYPES)))
    for group, genes in PAM50_GROUPS.items():
        for gene in genes:
            profile[position[gene]] = np.asarray(GROUP_LEVELS[group]) + rng.normal(0, 0.35, len(SUBTYPES))
    for name, group in _SET_FOLLOWS.items():
        for gene in CORE_SETS[name]:
            if not profile[position[gene]].any():
                profile[position[gene]] = 0.8 * np.asarray(GROUP_LEVELS[group])

    per_gene = rng.integers(1, 4, N_GENES)
    gene_of = np.repeat(np.arange(N_GENES), per_gene)
    share = rng.uniform(0.2, 1.0, gene_of.size)
    share /= np.bincount(gene_of, share)[gene_of]
    return Transcriptome(symbols, tpm, profile, gene_of, rng.integers(600, 6000, size=gene_of.size), share)


def pam50_genes() -> tuple[str, ...]:
    return tuple(sorted(gene for group in PAM50_GROUPS.values() for gene in group))


def write(
    truth: SampleTruth,
    folder: Path,
    rng: np.random.Generator,
    *,
    specimen_id: str = "",
    library_reads: float | None = None,
) -> list[WrittenFile]:
    """salmon's quant.sf of one biopsy, as ``<specimen>/quant.sf`` in the delivery ``folder``.

    A gene's expected TPM is the frozen reference's, shifted (log2) by the profile of ``truth.subtype``, by
    ``truth.expression_log2fc`` and by biological noise of sd 0.2; reads are Poisson, 30 to 60 million in total unless
    ``library_reads`` says otherwise; TPM follow from reads and effective lengths, as salmon prints them.

    Raises
    ------
    ValueError
        When the truth shifts a gene that the transcriptome doesn't have.
    """
    design = transcriptome()
    unknown = sorted(set(truth.expression_log2fc) - set(design.symbols))
    if unknown:
        raise ValueError(f"the twin's transcriptome has no gene {', '.join(unknown)}")
    shift = design.profile[:, SUBTYPES.index(truth.subtype)] + rng.normal(0, BIOLOGICAL_SD, N_GENES)
    shift += [truth.expression_log2fc.get(symbol, 0.0) for symbol in design.symbols]
    molecules = (design.reference_tpm * 2.0**shift)[design.gene] * design.share
    effective = (design.length - FRAGMENT_LENGTH).astype(float)
    expected = molecules * effective
    reads = float(rng.uniform(30e6, 60e6)) if library_reads is None else library_reads
    counts = rng.poisson(expected / expected.sum() * reads).astype(float)
    rate = counts / effective
    tpm = rate / rate.sum() * 1e6

    specimen = specimen_id or f"{truth.patient_id}-{truth.timepoint}-T1"
    path = folder / specimen / "quant.sf"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["Name\tLength\tEffectiveLength\tTPM\tNumReads\n"]
    rows += [
        f"{design.transcript_id(i)}\t{design.length[i]}\t{effective[i]:.3f}\t{tpm[i]:.6f}\t{counts[i]:.3f}\n"
        for i in range(design.gene.size)
    ]
    path.write_text("".join(rows), encoding="ascii")
    return [
        WrittenFile(
            file=f"{specimen}/quant.sf",
            modality=MODALITY,
            role="quant",
            patient_id=truth.patient_id,
            timepoint=truth.timepoint,
            specimen_id=specimen,
        )
    ]


def write_tx2gene(folder: Path) -> list[WrittenFile]:
    """The transcript-to-gene map of all samples, ``tx2gene.tsv``, with versioned accessions and symbols."""
    design = transcriptome()
    rows = ["transcript_id\tgene_id\tgene_name\n"]
    rows += [
        f"{design.transcript_id(i)}\t{design.gene_id(gene)}.1\t{design.symbols[gene]}\n"
        for i, gene in enumerate(design.gene)
    ]
    (folder / "tx2gene.tsv").write_text("".join(rows), encoding="ascii")
    return [WrittenFile(file="tx2gene.tsv", modality=MODALITY, role="tx2gene")]


def reference_entries(folder: Path) -> list[dict[str, str]]:
    """Write the twin's entries of the reference bundle: synthetic centroids, frozen medians, small gene sets."""
    import numpy as np

    design = transcriptome()
    position = {symbol: i for i, symbol in enumerate(design.symbols)}
    genes = pam50_genes()
    centroids, medians, sets = (
        folder / name
        for name in ("pam50_centroids_synthetic.csv", "pam50_reference_synthetic.csv", "gene_sets_synthetic.gmt")
    )
    with centroids.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["gene", *SUBTYPES])
        writer.writerows([gene, *(f"{value:.6f}" for value in design.profile[position[gene]])] for gene in genes)
    with medians.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["gene", "median"])
        writer.writerows([gene, f"{np.log2(design.reference_tpm[position[gene]] + 1):.6f}"] for gene in genes)
    decoy = tuple(symbol for symbol in design.symbols if symbol.startswith("SYN"))[100:120]
    sets.write_text(
        "".join("\t".join((name, "subset of the Hallmark set", *members)) + "\n" for name, members in CORE_SETS.items())
        + "\t".join((DECOY_SET, "made-up genes", *decoy))
        + "\n",
        encoding="ascii",
    )
    signature, scaling, markers, aliases = (
        folder / name
        for name in (
            "immune_signature_synthetic.txt",
            "immune_mrna_scaling_synthetic.txt",
            "immune_markers_synthetic.txt",
            "hgnc_aliases_synthetic.txt",
        )
    )
    members = tuple(dict.fromkeys(gene for genes in CELL_TYPES.values() for gene in genes))
    cells = ["\t".join(["ID", *CELL_TYPES])]
    for gene in members:
        # A cell type's own genes stand far above the rest, as in a sorted population.
        of_types = [f"{4000.0 if gene in own else 8.0:.1f}" for own in CELL_TYPES.values()]
        cells.append("\t".join([gene, *of_types]))
    signature.write_text("\n".join(cells) + "\n", encoding="ascii")
    scaling.write_text("".join(f"{name}\t{60 + 10 * i}\n" for i, name in enumerate(CELL_TYPES)), encoding="ascii")
    rows = ["HUGO symbols\tCell population\tENTREZID\tENSEMBL ID"]
    rows += [f"{gene}\t{name}\t{i}\tNA" for i, (name, own) in enumerate(CELL_TYPES.items()) for gene in own]
    markers.write_text("\n".join(rows) + "\n", encoding="ascii")
    aliases.write_text(
        "symbol\tprev_symbol\talias_symbol\n"
        + "".join(f"{symbol}\t\t\n" for symbol in sorted(design.symbols) if not symbol.startswith("SYN")),
        encoding="ascii",
    )
    synthetic = {"version": VERSION, "build": "", "licence": "CC0-1.0"}
    return [
        {"name": "pam50_centroids", "path": str(centroids), **synthetic,
         "source": "synthetic centroids of the twin; gene symbols of PAM50, no published values"},
        {"name": "pam50_reference", "path": str(medians), **synthetic,
         "source": "synthetic medians of log2(TPM + 1), consistent with the twin's transcriptome"},
        {"name": "gene_sets", "path": str(sets), **synthetic, "licence": "CC-BY-4.0",
         "source": "subsets of MSigDB Hallmark sets v7.0, and one decoy of made-up genes"},
        {"name": "immune_signature", "path": str(signature), **synthetic,
         "source": "made-up cell profiles; only the symbols are real"},
        {"name": "immune_mrna_scaling", "path": str(scaling), **synthetic, "source": "made-up mRNA contents"},
        {"name": "immune_markers", "path": str(markers), **synthetic, "source": "markers of the made-up profiles"},
        {"name": "hgnc_aliases", "path": str(aliases), **synthetic,
         "source": "symbols of the twin's transcriptome in HGNC's format, without aliases"},
    ]  # fmt: skip


def plant_cut(path: Path) -> None:
    """Cut the table in the middle of a number of its last row, as a broken transfer does."""
    content = path.read_bytes()
    path.write_bytes(content[:-4])


def plant_negative_count(path: Path, row: int = 7) -> None:
    """Make the reads of one row (1-based line of the file) negative, as a log-transformed table has them."""
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    cells = lines[row - 1].rstrip("\n").split("\t")
    cells[-1] = "-1.500"
    lines[row - 1] = "\t".join(cells) + "\n"
    path.write_text("".join(lines), encoding="ascii")
