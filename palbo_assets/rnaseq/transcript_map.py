"""The transcript-to-gene map (tx2gene): which transcript belongs to which gene, and the gene's symbol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq import delimited
from palbo_assets.rnaseq.identifiers import CURRENT_SYMBOL, without_par_y, without_version

if TYPE_CHECKING:
    import pandas as pd

TRANSCRIPT_COLUMNS = ("TXNAME", "transcript_id", "tx_id", "tx", "target_id", "transcript", "Name")
GENE_COLUMNS = ("GENEID", "gene_id", "gene", "ens_gene")
SYMBOL_COLUMNS = ("gene_name", "gene_symbol", "symbol", "SYMBOL", "GENENAME", "external_gene_name", "ext_gene")


_TRANSCRIPT_ID = re.compile(r"^(ENS[A-Z]*T\d{11}|[NX][MR]_\d+)(\.\d+)?$")
_HEADERLESS = ("transcript_id", "gene_id", "gene_name")


@dataclass(frozen=True)
class TranscriptMap:
    """``gene_of``: transcript id -> gene id; ``symbol_of``: gene id -> current symbol. Ids carry no version, and the
    Y copy of a pseudoautosomal gene has the id of its X copy."""

    gene_of: pd.Series
    symbol_of: pd.Series


def read_tx2gene(path: Path) -> TranscriptMap:
    """A comma- or tab-separated map with a header, plain or gzip; the symbol column is optional.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the header names no transcript or gene column, a transcript belongs to two genes or a gene
        has two symbols (with the row); and what `delimited` raises.
    """
    content = delimited.content_of(path)
    # R's write.csv quotes every text; a quote can't be part of an accession or a symbol.
    content = content.replace(b'"', b"")
    skipped, header = delimited.header_of(content, path)
    delimiter = "\t" if len(header) > 1 else ","
    header = delimited.header_of(content, path, delimiter)[1]
    if len(header) in (2, 3) and _TRANSCRIPT_ID.match(header[0]):
        # Older pipelines write the map without a header.
        content = delimiter.join(_HEADERLESS[: len(header)]).encode() + b"\n" + content
        skipped, header = delimited.header_of(content, path, delimiter)
    transcript, gene = _first(TRANSCRIPT_COLUMNS, header), _first(GENE_COLUMNS, header)
    if not transcript or not gene or len(set(header)) < len(header):
        raise InputError(
            "E_SCHEMA",
            "the header names no transcript and gene column",
            file=path.name,
            row=skipped + 1,
            fix="name the columns transcript_id, gene_id and gene_name, separated by comma or tab",
        )
    symbol = _first(SYMBOL_COLUMNS, header)
    columns = delimited.columns_of(
        content,
        path,
        header,
        texts=[name for name in (transcript, gene, symbol) if name],
        numbers=[],
        skip_rows=skipped + 1,
        delimiter=delimiter,
    )
    first_row = skipped + 2
    transcripts, genes = (without_par_y(without_version(columns[name])) for name in (transcript, gene))
    gene_of = _unambiguous(transcripts, genes, path, first_row, transcript, "a transcript belongs to two genes")
    symbols = columns[symbol] if symbol else genes[~genes.str.match(r"^ENS[A-Z]*\d{11}$")]
    symbol_of = _unambiguous(
        genes.loc[symbols.index], _current(symbols), path, first_row, symbol or gene, "a gene has two symbols"
    )
    return TranscriptMap(gene_of, symbol_of)


def _current(symbols: pd.Series) -> pd.Series:
    """Symbols without the former ones of `CURRENT_SYMBOL`; only the few that are there are looked up."""
    former = symbols.isin(list(CURRENT_SYMBOL))
    return symbols.where(~former, symbols[former].map(CURRENT_SYMBOL))


def _first(known: Sequence[str], header: Sequence[str]) -> str:
    return next((name for name in known if name in header), "")


def _unambiguous(keys: pd.Series, values: pd.Series, path: Path, first_row: int, column: str, what: str) -> pd.Series:
    """key -> value, refusing a key with two values."""
    import pandas as pd

    found = pd.Series(values.to_numpy(), index=keys.to_numpy())
    first = found[~found.index.duplicated()]
    if len(first) < len(found):
        conflict = found.to_numpy() != first.reindex(found.index).to_numpy()
        if conflict.any():
            row = int(values.index[int(conflict.argmax())]) + first_row
            raise InputError("E_SCHEMA", what, file=path.name, row=row, column=column, fix="keep one row")
    return first
