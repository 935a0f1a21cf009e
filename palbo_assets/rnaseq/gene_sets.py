"""Gene sets: the reference bundle's GMT file, and small published signatures that are facts of the literature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.rnaseq.symbols import BUILT_IN, SymbolNames

GEOMETRIC_MEAN, MEAN_LOG2, LOG2_RATIO = "geometric_mean", "mean_log2", "log2_ratio"


@dataclass(frozen=True)
class LiteratureSignature:
    """``rule`` says how the genes' TPM become a score:

    * ``geometric_mean``: of TPM + 0.01, in TPM;
    * ``mean_log2``: mean of log2(TPM + 1);
    * ``log2_ratio``: log2((TPM of the first + 1) / (TPM of the second + 1)).
    """

    name: str
    rule: str
    genes: tuple[str, ...]
    source: str


_DANAHER = "Danaher 2017, J Immunother Cancer 5:18"

LITERATURE_SIGNATURES: tuple[LiteratureSignature, ...] = (
    LiteratureSignature(
        "CYTOLYTIC_ACTIVITY", GEOMETRIC_MEAN, ("GZMA", "PRF1"), "Rooney 2015, Cell 160:48 (TPM with 0.01 offset)"
    ),
    LiteratureSignature("CCNE1_RB1_RATIO", LOG2_RATIO, ("CCNE1", "RB1"), "Guarducci 2018, npj Breast Cancer 4:38"),
    LiteratureSignature(
        "PAM50_PROLIFERATION",
        MEAN_LOG2,
        ("BIRC5", "CCNB1", "CDC20", "CEP55", "MKI67", "NDC80", "NUF2", "PTTG1", "RRM2", "TYMS", "UBE2C"),
        "Nielsen 2010, Clin Cancer Res 16:5222 (the 11 proliferation genes of PAM50)",
    ),
    LiteratureSignature("DANAHER_CD8_T_CELLS", MEAN_LOG2, ("CD8A", "CD8B"), _DANAHER),
    LiteratureSignature("DANAHER_T_CELLS", MEAN_LOG2, ("CD3D", "CD3E", "CD3G", "CD6", "SH2D1A", "TRAT1"), _DANAHER),
    LiteratureSignature(
        "DANAHER_B_CELLS",
        MEAN_LOG2,
        ("BLK", "CD19", "FCRL2", "MS4A1", "FAM30A", "TNFRSF17", "TCL1A", "SPIB", "PNOC"),
        _DANAHER,
    ),
    LiteratureSignature(
        "DANAHER_CYTOTOXIC_CELLS",
        MEAN_LOG2,
        ("PRF1", "GZMA", "GZMB", "NKG7", "GZMH", "KLRK1", "KLRB1", "KLRD1", "CTSW", "GNLY"),
        _DANAHER,
    ),
    LiteratureSignature("DANAHER_EXHAUSTED_CD8", MEAN_LOG2, ("LAG3", "CD244", "EOMES", "PTGER4"), _DANAHER),
    LiteratureSignature("DANAHER_MACROPHAGES", MEAN_LOG2, ("CD68", "CD84", "CD163", "MS4A4A"), _DANAHER),
    LiteratureSignature("DANAHER_NK_CELLS", MEAN_LOG2, ("XCL1", "XCL2", "NCR1"), _DANAHER),
    LiteratureSignature("DANAHER_MAST_CELLS", MEAN_LOG2, ("TPSB2", "TPSAB1", "CPA3", "MS4A2", "HDC"), _DANAHER),
    LiteratureSignature(
        "DANAHER_NEUTROPHILS",
        MEAN_LOG2,
        ("FPR1", "SIGLEC5", "CSF3R", "FCAR", "FCGR3B", "CEACAM3", "S100A12"),
        _DANAHER,
    ),
    LiteratureSignature("DANAHER_DENDRITIC_CELLS", MEAN_LOG2, ("CCL13", "CD209", "HSD11B1"), _DANAHER),
)

# A set that holds the gene it is compared with says something of the gene anyway: beside it stands the set without.
WITHOUT_GENE: Mapping[str, str] = {"HALLMARK_E2F_TARGETS": "CCNE1"}

KEY_GENES: tuple[str, ...] = (
    "ESR1", "PGR", "ERBB2", "MKI67", "CCND1", "CCNE1", "CCNE2", "CDK2", "CDK4", "CDK6", "CDKN2A", "RB1", "E2F1",
    "AURKA", "PLK1", "FGFR1", "NRG1", "ERBB3", "CD274", "PDCD1", "CD8A", "FOXP3", "GZMB", "CXCL9",
)  # fmt: skip
"""Genes of the resistance question that are shown one by one, as signatures ``gene:<symbol>``."""


def read_gmt(path: Path, names: SymbolNames = BUILT_IN) -> Mapping[str, tuple[str, ...]]:
    """Set name -> current gene symbols, in the file's order, each gene once, and the sets of `WITHOUT_GENE`.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA`` with the row: a line without gene, or a name that stands twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        name, *rest = (cell.strip() for cell in line.split("\t"))
        genes = tuple(dict.fromkeys(names.current(gene) for gene in rest[1:] if gene))
        if not name or not genes or name in found:
            what = "the name of the set stands twice" if name in found else "the line has no name or no genes"
            raise ReferenceBundleError("E_REFERENCE_SCHEMA", what, file=path.name, row=row, fix="correct the GMT file")
        found[name] = genes
        left_out = WITHOUT_GENE.get(name)
        if left_out in genes and len(genes) > 1:
            found[f"{name}_WITHOUT_{left_out}"] = tuple(gene for gene in genes if gene != left_out)
    return found
