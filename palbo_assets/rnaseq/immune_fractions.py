"""Immune cell fractions of one sample by constrained least squares, and marker scores: two ways that fail differently.

Fractions (quanTIseq, Finotello 2019, Genome Medicine 11:34): the TPM of the signature's genes are explained by a sum
of cell types' profiles, no part negative and all together at most 1; parts are divided by the messenger RNA that a cell
of the type holds, and what is left is ``Other`` (tumour, stroma). Fractions compare between cell types and samples.

Marker scores (MCP-counter, Becht 2016, Genome Biology 17:218): mean log2(TPM + 1) of a population's markers. They
compare one population between samples, never two populations. Markers are matched by Ensembl id, because the published
table holds a damaged symbol ("C" for CAVIN2) and outdated ones.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.rnaseq.symbols import BUILT_IN, SymbolNames

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OTHER = "Other"
TREGS, CD4 = "Tregs", "T.cells.CD4"
TREGS_MIN = (
    0.02  # below it quanTIseq takes regulatory T cells for hidden behind CD4 cells, and fits again without those
)
SUM_WEIGHT = 1e4  # weight of the sum's row against the profiles, whose spectral norm is scaled to 1


@dataclass(frozen=True)
class Signature:
    """``profiles``: TPM of genes (current symbols) x cell types; ``mrna``: relative mRNA content, same cell types."""

    profiles: pd.DataFrame
    mrna: pd.Series


@dataclass(frozen=True)
class Marker:
    """A gene of a population's marker set; ``ensembl_id`` is empty where the table has none."""

    symbol: str
    ensembl_id: str


def read_signature(path: Path, scaling: Path | None, names: SymbolNames = BUILT_IN) -> Signature:
    """A table of ``ID`` and one column a cell type, and a two-column table of mRNA content without header (TSV).

    Without ``scaling`` every cell type counts the same, so parts are of messenger RNA and not of cells.

    Raises
    ------
    ReferenceBundleError
        ``E_REFERENCE_SCHEMA``: a cell isn't a number, a gene stands twice, a cell type has no mRNA content.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, sep="\t", index_col=0).astype(float)
        mrna = pd.Series(1.0, index=table.columns)
        if scaling is not None:
            said = pd.read_csv(scaling, sep="\t", header=None, index_col=0)[1].astype(float)
            mrna = said.reindex(table.columns)
    except (ValueError, KeyError):
        raise _bad(path, "the table isn't one of numbers by gene and cell type") from None
    table.index = pd.Index([names.current(str(gene)) for gene in table.index], name="gene")
    if table.empty or table.isna().any(axis=None) or table.index.has_duplicates:
        raise _bad(path, "a cell is empty, or a gene stands twice")
    if mrna.isna().any() or (mrna <= 0).any():
        raise _bad(path, "a cell type has no mRNA content")
    return Signature(table, mrna)


def read_markers(path: Path, names: SymbolNames = BUILT_IN) -> Mapping[str, tuple[Marker, ...]]:
    """Population -> markers, from MCP-counter's ``genes.txt`` (TSV with symbol, population, Entrez and Ensembl id)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    columns = ("HUGO symbols", "Cell population", "ENSEMBL ID")
    if not rows or any(row.get(name) is None for row in rows for name in columns):
        raise _bad(path, f"the columns {', '.join(columns)} aren't all there")
    found: dict[str, dict[Marker, None]] = {}
    for row in rows:
        ensembl = row["ENSEMBL ID"] if row["ENSEMBL ID"].startswith("ENS") else ""
        marker = Marker(names.current(row["HUGO symbols"]), ensembl)
        found.setdefault(row["Cell population"], {})[marker] = None
    return {population: tuple(markers) for population, markers in found.items()}


def _bad(path: Path, what: str) -> ReferenceBundleError:
    return ReferenceBundleError("E_REFERENCE_SCHEMA", what, file=path.name, fix="use the file as it was published")


def constrained_least_squares(profiles: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """argmin |profiles @ x - mixture| with x >= 0 and sum(x) <= 1; shapes (genes, types), (genes,) -> (types,).

    Non-negative least squares (Lawson and Hanson) where the sum stays below 1; else a heavy row holds the sum at 1.
    """
    import numpy as np
    from scipy.optimize import nnls

    scale = np.linalg.norm(profiles, 2)
    a, b = profiles / scale, mixture / scale
    free = nnls(a, b)[0]
    if free.sum() <= 1:
        return np.asarray(free)
    held = nnls(np.vstack([a, np.full(a.shape[1], SUM_WEIGHT)]), np.append(b, SUM_WEIGHT))[0]
    return np.asarray(held / held.sum())


def cell_fractions(tpm: pd.Series, signature: Signature, without: Collection[str] = ()) -> tuple[pd.Series, int, int]:
    """Fractions of cells by type and ``Other``, summing to 1; genes used; genes of the signature.

    Parameters
    ----------
    tpm
        TPM by current symbol.
    without
        Symbols of the signature that are left out (noisy, or expressed by the tumour itself).

    Regulatory T cells below 2 % are averaged with a fit without CD4 cells, and CD4 cells lose what those gain, as the
    paper says. (The published script subtracts the average of the average, which the paper doesn't.)
    """
    import numpy as np
    import pandas as pd

    profiles = signature.profiles[~signature.profiles.index.isin(list(without))]
    genes = profiles.index[profiles.index.isin(tpm.index)]
    total = float(tpm.sum())
    if genes.empty or total <= 0:
        return pd.Series(np.nan, index=[*profiles.columns, OTHER]), len(genes), len(profiles)
    mixture = tpm.loc[genes].to_numpy() / total * 1e6

    def fit(types: pd.Index) -> pd.Series:
        parts = constrained_least_squares(profiles.loc[genes, types].to_numpy(), mixture)
        cells = parts / signature.mrna[types].to_numpy()
        found = cells / cells.sum() * parts.sum() if cells.sum() > 0 else cells
        return pd.Series(found, index=types)

    fractions = fit(profiles.columns)
    if {TREGS, CD4} <= set(fractions.index) and fractions[TREGS] < TREGS_MIN:
        hidden = fit(profiles.columns.drop(CD4))[TREGS]
        fractions[TREGS] = (fractions[TREGS] + hidden) / 2
        fractions[CD4] = max(0.0, fractions[CD4] - fractions[TREGS])
    fractions[OTHER] = max(0.0, 1 - fractions.sum())
    return fractions / fractions.sum(), len(genes), len(profiles)


def marker_scores(genes: pd.DataFrame, markers: Mapping[str, tuple[Marker, ...]]) -> list[tuple[str, float, int, int]]:
    """(population, mean log2(TPM + 1) or NaN, markers found, markers) of one sample.

    ``genes`` has ``gene_id`` (without version), ``gene_symbol``, ``tpm``. Markers are looked up by Ensembl id; by
    symbol only where the annotation or the marker has none.
    """
    import numpy as np

    by_id = genes.set_index("gene_id")["tpm"]
    by_symbol = genes.dropna(subset=["gene_symbol"]).groupby("gene_symbol")["tpm"].sum()
    has_ensembl = bool(genes["gene_id"].str.match(r"^ENSG\d{11}$").any())
    rows = []
    for population, wanted in markers.items():
        values: dict[str, float] = {}
        for marker in wanted:
            if has_ensembl and marker.ensembl_id:
                if marker.ensembl_id in by_id.index:
                    values[marker.ensembl_id] = float(by_id[marker.ensembl_id])
            elif marker.symbol in by_symbol.index:
                values[marker.symbol] = float(by_symbol[marker.symbol])
        score = float(np.log2(np.array(list(values.values())) + 1).mean()) if values else float("nan")
        rows.append((population, score, len(values), len(wanted)))
    return rows
