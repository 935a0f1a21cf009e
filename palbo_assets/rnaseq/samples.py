"""One sample from its delivered tables: which table speaks for expression, and with which transcript map.

Of several tables of a specimen the one with lengths wins (salmon, kallisto, RSEM, then featureCounts), because only it
gives TPM; STAR's or HTSeq's table beside it still tells the reads that fell on no gene, and the strand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import NotEvaluableError

if TYPE_CHECKING:
    from palbo_assets.rnaseq.gene_summary import GeneSummary
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


def read_sample(paths: Sequence[Path], maps: Sequence[TranscriptMap], unmapped_max: float = 0.5) -> Sample:
    """Expression of one specimen.

    Parameters
    ----------
    paths
        Its tables, in a stable order, at least one.
    maps
        Transcript maps to choose from; the one that knows most of the table's reads is used.

    Raises
    ------
    InputError
        What `quantifiers.read_quantification` raises.
    """
    from palbo_assets.rnaseq.gene_summary import summarise
    from palbo_assets.rnaseq.quantifiers import read_quantification

    tables = [read_quantification(path) for path in paths]
    chosen = min(tables, key=_preference)
    counting = next((table for table in tables if table.counters), chosen)
    summary, failure = None, None
    choices: Sequence[TranscriptMap | None] = maps or [None]
    for transcripts in choices:
        try:
            found = summarise(chosen, transcripts, unmapped_max)
        except NotEvaluableError as error:
            failure = failure or error
            continue
        if summary is None or _known(found) > _known(summary):
            summary = found
    reason = f"{failure.code}: {failure.message}" if summary is None and failure else ""
    return Sample(chosen.tool, summary, reason, dict(counting.counters), counting.strandedness)


def _preference(table: Quantification) -> int:
    return 0 if table.tpm is not None else 1 if table.effective_length is not None else 2


def _known(summary: GeneSummary) -> tuple[float, int]:
    """How well a transcript map fits: reads on known transcripts first, then genes with a symbol."""
    return 1 - summary.unmapped_share, int(summary.genes["gene_symbol"].notna().sum())
