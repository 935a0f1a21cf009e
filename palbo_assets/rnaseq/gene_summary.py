"""From quantified features to genes: reads, TPM, effective length and symbol of every gene of one sample.

Transcripts are summed as tximport does (Soneson, Love & Robinson 2015, F1000Research 4:1521): reads and TPM add up; a
gene's effective length is the mean of its transcripts' lengths weighted with their TPM, and their plain mean where none
is expressed (tximport's answer for a single sample).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import NotEvaluableError
from palbo_assets.rnaseq.identifiers import without_par_y, without_version
from palbo_assets.rnaseq.quantifiers import TRANSCRIPT, Quantification
from palbo_assets.rnaseq.symbols import BUILT_IN, Renaming, SymbolNames, rename

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from palbo_assets.rnaseq.transcript_map import TranscriptMap


@dataclass(frozen=True)
class GeneSummary:
    """``genes``: one row a gene, sorted by ``gene_id``, with ``gene_symbol`` (null where unknown), ``count`` (reads),
    ``tpm`` and ``effective_length`` (bases), null where the tool reports no length: ``tpm_reason`` says why.
    ``unmapped_share``: share of reads on transcripts that the map lacks. ``renaming``: what became of symbols."""

    genes: pd.DataFrame
    tpm_reason: str = ""
    unmapped_share: float = 0.0
    renaming: Renaming | None = None


def summarise(
    quantification: Quantification,
    transcripts: TranscriptMap | None = None,
    unmapped_max: float = 0.5,
    names: SymbolNames = BUILT_IN,
) -> GeneSummary:
    """Genes of one sample.

    Parameters
    ----------
    transcripts
        Needed by transcript-level tables that don't name the gene; gives symbols to all.
    unmapped_max
        Share of reads on unknown transcripts above which the map is taken for another annotation's.
    names
        What genes are called today.

    Raises
    ------
    NotEvaluableError
        ``NO_TX2GENE`` or ``TX2GENE_MISMATCH``.
    """
    import numpy as np
    import pandas as pd

    ids = without_par_y(without_version(quantification.ids)).reset_index(drop=True)
    features = pd.DataFrame(
        {
            "gene_id": _genes_of(quantification, ids, transcripts),
            "count": quantification.counts,
            "tpm": np.nan if quantification.tpm is None else quantification.tpm,
            "length": np.nan if quantification.effective_length is None else quantification.effective_length,
        }
    )
    known = features["gene_id"].notna()
    total = features["count"].sum()
    # Without a read, unknown transcripts weigh as much as they are many.
    unmapped = float((~known).mean() if total == 0 else features.loc[~known, "count"].sum() / total)
    if unmapped > unmapped_max or not known.any():
        raise NotEvaluableError(
            "TX2GENE_MISMATCH",
            f"{unmapped:.0%} of the reads lie on transcripts that the transcript-to-gene map lacks",
            fix="deliver the tx2gene of the annotation that the reads were quantified with",
        )
    tpm_reason = ""
    if quantification.tpm is None:
        if quantification.effective_length is None:
            tpm_reason = f"NO_LENGTHS: {quantification.tool} reports counts without gene lengths"
        else:
            features["tpm"] = tpm_of(features["count"].to_numpy(), features["length"].to_numpy())
    genes = _sum_by_gene(features[known])
    renaming = rename(_symbols_of(genes["gene_id"], transcripts, _own_names(quantification, ids)), names)
    genes.insert(1, "gene_symbol", renaming.symbols)
    return GeneSummary(genes, tpm_reason, unmapped, renaming)


def tpm_of(counts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Transcripts per million from reads and lengths in bases; features of length 0 get 0. All zero without reads."""
    import numpy as np

    rate = np.divide(counts, lengths, out=np.zeros(len(counts)), where=lengths > 0)
    total = rate.sum()
    return rate / total * 1e6 if total > 0 else rate


def _genes_of(quantification: Quantification, ids: pd.Series, transcripts: TranscriptMap | None) -> pd.Series:
    if quantification.level != TRANSCRIPT:
        return ids
    if quantification.genes is not None:
        return without_par_y(without_version(quantification.genes)).reset_index(drop=True)
    if transcripts is None:
        raise NotEvaluableError(
            "NO_TX2GENE",
            "transcripts can't be summed to genes without a transcript-to-gene map",
            fix="deliver tx2gene once for the study, or add it to the reference bundle",
        )
    genes = ids.map(transcripts.gene_of)
    if genes.isna().all() and ids.isin(transcripts.symbol_of.index).any():
        return ids  # salmon's quant.genes.sf: the same header, already summed
    return genes


def _sum_by_gene(features: pd.DataFrame) -> pd.DataFrame:
    import numpy as np

    weighted = features.assign(tpm_length=features["tpm"] * features["length"])
    grouped = weighted.groupby("gene_id", sort=True)
    genes = grouped[["count", "tpm", "tpm_length"]].sum(min_count=1).reset_index()
    mean_length = grouped["length"].mean().to_numpy()
    tpm = genes["tpm"].to_numpy()
    expressed = np.nan_to_num(tpm) > 0
    length = mean_length.copy()
    length[expressed] = genes["tpm_length"].to_numpy()[expressed] / tpm[expressed]
    genes["effective_length"] = length
    return genes.drop(columns="tpm_length")


def _own_names(quantification: Quantification, ids: pd.Series) -> pd.Series | None:
    """Gene id -> the name that the table itself gives."""
    if quantification.symbols is None:
        return None
    names = quantification.symbols.set_axis(ids.to_numpy())
    return names[~names.index.duplicated()]


def _symbols_of(gene_ids: pd.Series, transcripts: TranscriptMap | None, table: pd.Series | None = None) -> pd.Series:
    """Symbols: from the map, then the table; an id that isn't an Ensembl accession is itself the symbol."""
    own = gene_ids.where(~gene_ids.str.match(r"^ENS[A-Z]*\d{11}$"))
    if table is not None:
        named = gene_ids.map(table).astype(object)
        own = named.where(named.notna() & (named != gene_ids), own)
    if transcripts is None:
        return own
    mapped = gene_ids.map(transcripts.symbol_of).astype(object)
    return mapped.where(mapped.notna(), own)


def tpm_by_symbol(genes: pd.DataFrame) -> pd.Series:
    """TPM by current gene symbol; genes that share a symbol are summed, genes without symbol keep their id.

    ``genes`` has ``gene_id, gene_symbol, tpm``. Rows without TPM are left out, so a sample without TPM is empty.
    """
    import pandas as pd

    measured = genes[genes["tpm"].notna()]
    names = measured["gene_symbol"].astype(object).where(measured["gene_symbol"].notna(), measured["gene_id"])
    values = pd.Series(measured["tpm"].to_numpy(dtype=float), index=names.to_numpy())
    return values.groupby(level=0, sort=True).sum()
