"""One sample from its delivered tables: which table speaks for expression, and with which transcript map.

Of several tables of a specimen the one with lengths wins (salmon, kallisto, RSEM, then featureCounts), because only it
gives TPM; STAR's or HTSeq's table beside it still tells the reads that fell on no gene, and the strand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import NotEvaluableError
from palbo_assets.rnaseq.expression_matrices import TPM
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.symbols import BUILT_IN, SymbolNames

if TYPE_CHECKING:
    from palbo_assets.rnaseq.gene_summary import GeneSummary
    from palbo_assets.rnaseq.library_metrics import LibraryMetrics
    from palbo_assets.rnaseq.quantifiers import Quantification
    from palbo_assets.rnaseq.transcript_map import TranscriptMap


@dataclass(frozen=True)
class Sample:
    """Gene-level expression of one specimen, or the reason (code and text) why there is none."""

    tool: str
    summary: GeneSummary | None
    reason: str = ""
    counters: Mapping[str, float] = field(default_factory=dict)
    strandedness: str = ""
    metrics: LibraryMetrics | None = None


def read_sample(
    paths: Sequence[tuple[Path, str]],
    maps: Sequence[TranscriptMap],
    settings: Settings | None = None,
    names: SymbolNames = BUILT_IN,
    reports: Sequence[Path] = (),
) -> Sample:
    """Expression of one specimen.

    Parameters
    ----------
    paths
        Its tables, in a stable order, at least one, each with the sample's name in it (matrices hold many).
    maps
        Transcript maps to choose from; the one that knows most of the table's reads is used.
    settings
        Which share of reads may lie on unknown transcripts, and when numbers are of another unit.
    reports
        What other tools say of the library (`library_metrics`).

    Raises
    ------
    InputError
        What `quantifiers.read_quantification` raises; ``E_SCHEMA`` where a matrix of TPM is the matrix of reads in
        another unit.
    """
    from palbo_assets.rnaseq.gene_summary import summarise
    from palbo_assets.rnaseq.library_metrics import combine, read_metrics
    from palbo_assets.rnaseq.quantifiers import read_quantification

    metrics = combine(read_metrics(path) for path in reports)
    settings = settings or Settings()
    tables = _joined([(read_quantification(path, name, settings), path) for path, name in paths], settings)
    if not tables:
        return Sample(TPM, None, "NO_COUNTS: a matrix of TPM came without the matrix of reads", metrics=metrics)
    chosen = min(tables, key=_preference)
    counting = next((table for table in tables if table.counters), chosen)
    summary, failure = None, None
    choices: Sequence[TranscriptMap | None] = maps or [None]
    for transcripts in choices:
        try:
            found = summarise(chosen, transcripts, settings.unmapped_transcripts_max, names)
        except NotEvaluableError as error:
            failure = failure or error
            continue
        if summary is None or _known(found) > _known(summary):
            summary = found
    reason = f"{failure.code}: {failure.message}" if summary is None and failure else ""
    strandedness = counting.strandedness or metrics.strandedness or ""
    return Sample(chosen.tool, summary, reason, dict(counting.counters), strandedness, metrics)


def _joined(tables: Sequence[tuple[Quantification, Path]], settings: Settings) -> list[Quantification]:
    """The tables, a matrix of TPM put into the matrix of reads of the same genes; alone it holds no reads."""
    from palbo_assets.rnaseq.abundance_units import refuse_one_unit_for_two

    abundance, source = next(((table, path.name) for table, path in tables if table.tool == TPM), (None, ""))
    found = []
    for table, _ in tables:
        if table.tool == TPM:
            continue
        if abundance is not None and table.tpm is None and set(table.ids) == set(abundance.ids):
            by_id = dict(zip(abundance.ids, abundance.tpm if abundance.tpm is not None else (), strict=True))
            tpm = table.ids.map(by_id).to_numpy(dtype=float)
            refuse_one_unit_for_two(table.counts, tpm, settings, file=source)
            table = replace(table, tpm=tpm)
        found.append(table)
    return found


def _preference(table: Quantification) -> int:
    return 0 if table.tpm is not None else 1 if table.effective_length is not None else 2


def _known(summary: GeneSummary) -> tuple[float, int]:
    """How well a transcript map fits: reads on known transcripts first, then genes with a symbol."""
    return 1 - summary.unmapped_share, int(summary.genes["gene_symbol"].notna().sum())
