"""Tables of expression quantifiers, told apart by their header, never by their name; plain or gzip.

=================  ==========================================================  =================
tool               header                                                      level
=================  ==========================================================  =================
salmon             Name, Length, EffectiveLength, TPM, NumReads                transcript
kallisto           target_id, length, eff_length, est_counts, tpm              transcript
RSEM               transcript_id, gene_id, length, effective_length, ...       transcript
RSEM               gene_id, transcript_id(s), length, effective_length, ...    gene
featureCounts      (# comment) Geneid, Chr, Start, End, Strand, Length, BAM    gene
STAR               none; four N_ rows; unstranded, forward, reverse counts     gene
HTSeq              none (or one line); five __ rows at the end                 gene
merged matrix      gene_id, (gene_name,) one column a sample (nf-core/rnaseq)  gene
=================  ==========================================================  =================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq import abundance_units, delimited, expression_matrices
from palbo_assets.rnaseq.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRANSCRIPT, GENE = "transcript", "gene"
STAR_COUNTERS = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")
HTSEQ_COUNTERS = ("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned", "__alignment_not_unique")

# nf-core/rnaseq infers a library's strand with the same two limits.
STRANDED_SHARE = 0.8
UNSTRANDED_DIFFERENCE = 0.1


@dataclass(frozen=True)
class Layout:
    """Which columns of a tool's table hold what; empty text where the tool doesn't report it."""

    tool: str
    level: str
    id: str
    count: str
    tpm: str = ""
    effective_length: str = ""
    gene: str = ""  # the gene of a transcript, where the table itself names it
    also: tuple[str, ...] = ()  # further columns by which the tool is recognised

    @property
    def required(self) -> tuple[str, ...]:
        named = (self.id, self.count, self.tpm, self.effective_length, self.gene, *self.also)
        return tuple(name for name in named if name)


LAYOUTS: tuple[Layout, ...] = (
    Layout("salmon", TRANSCRIPT, "Name", "NumReads", "TPM", "EffectiveLength", also=("Length",)),
    Layout("kallisto", TRANSCRIPT, "target_id", "est_counts", "tpm", "eff_length", also=("length",)),
    Layout("rsem", TRANSCRIPT, "transcript_id", "expected_count", "TPM", "effective_length", "gene_id", ("length",)),
    Layout("rsem", GENE, "gene_id", "expected_count", "TPM", "effective_length", also=("transcript_id(s)", "length")),
)
FEATURECOUNTS_ANNOTATION = ("Geneid", "Chr", "Start", "End", "Strand", "Length")


@dataclass(frozen=True)
class Quantification:
    """One sample's quantified features, in the file's order.

    ``ids`` are as written; ``counts`` are reads (fractional for tools that share reads out); ``tpm`` and
    ``effective_length`` (bases) are None where the tool reports none. featureCounts reports the length of the union of
    exons, which stands in for the effective length. ``counters`` are the reads that fell on no feature, by reason.
    ``strandedness`` is forward, reverse, unstranded or undetermined for STAR and empty for the other tools.
    """

    tool: str
    level: str
    ids: pd.Series
    counts: np.ndarray
    tpm: np.ndarray | None = None
    effective_length: np.ndarray | None = None
    genes: pd.Series | None = None
    counters: Mapping[str, float] = field(default_factory=dict)
    strandedness: str = ""
    count_column: str = ""
    symbols: pd.Series | None = None  # names of the genes, where the table itself gives them

    @property
    def assigned_reads(self) -> float:
        return float(self.counts.sum())


def read_quantification(path: Path, sample_name: str = "", settings: Settings | None = None) -> Quantification:
    """Recognise and read the whole table; of a merged matrix the column of ``sample_name``. ``settings`` say when
    numbers are of another unit.

    Raises
    ------
    InputError
        ``E_SCHEMA`` (unknown header; FPKM, RPKM or CPM; a cell that isn't a finite number; a negative number; an id
        twice; ragged rows), ``E_TRUNCATED`` (unfinished last line or gzip; HTSeq's closing counters or STAR's opening
        ones are missing; TPM that don't sum to a million), ``E_SAMPLE_MISMATCH`` (a matrix without that column),
        ``E_EMPTY``, ``E_ENCODING``, ``E_CHECKSUM``, ``E_TOO_BIG``; with row and column where there is one.
    """
    settings = settings or Settings()
    content = delimited.content_of(path)
    skipped, header = delimited.header_of(content, path)
    names = set(header)
    if len(names) < len(header) and len(header) > 4:
        raise InputError("E_SCHEMA", "a column name stands twice", file=path.name, row=skipped + 1, fix="name it once")
    for layout in LAYOUTS:
        if names.issuperset(layout.required):
            return _with_abundance(path, content, layout, skipped, header, settings)
    abundance_units.refuse_other_units_by_name(header, path, skipped + 1)
    if tuple(header[:6]) == FEATURECOUNTS_ANNOTATION:
        return _featurecounts(path, content, skipped, header)
    if len(header) == 4 and header[0] in STAR_COUNTERS:
        return _star(path, content, skipped)
    if expression_matrices.is_matrix(header):
        return _matrix(path, content, skipped, header, sample_name, settings)
    if len(header) == 2:
        return _htseq(path, content, skipped, header)
    raise InputError(
        "E_SCHEMA",
        "the header is none of salmon, kallisto, RSEM, STAR, featureCounts, HTSeq or a merged matrix",
        file=path.name,
        row=skipped + 1,
        fix="deliver the table as the quantifier wrote it, tab-separated",
    )


def _with_abundance(
    path: Path, content: bytes, layout: Layout, skipped: int, header: list[str], settings: Settings
) -> Quantification:
    numbers = [layout.count, layout.tpm, layout.effective_length]
    texts = [name for name in (layout.id, layout.gene) if name]
    columns = delimited.columns_of(content, path, header, texts=texts, numbers=numbers, skip_rows=skipped + 1)
    first_row = skipped + 2
    _refuse_duplicates(columns[layout.id], path, first_row, layout.id)
    for name in numbers:
        _refuse_negative(columns[name], path, first_row, name)
    tpm = columns[layout.tpm]
    abundance_units.refuse_other_units(
        tpm, columns[layout.count], columns[layout.effective_length], settings, path=path, column=layout.tpm
    )
    # Tools print TPM that sum to a million; two decimals of RSEM keep the sum within 0.1 %.
    if columns[layout.count].sum() > 0 and abs(tpm.sum() / 1e6 - 1) > 0.01:
        raise InputError(
            "E_TRUNCATED",
            "the TPM don't sum to one million (1 % tolerance), so rows are missing or the values were changed",
            file=path.name,
            column=layout.tpm,
            fix="deliver the whole table as the quantifier wrote it",
        )
    return Quantification(
        layout.tool,
        layout.level,
        columns[layout.id],
        columns[layout.count],
        tpm,
        columns[layout.effective_length],
        columns[layout.gene] if layout.gene else None,
    )


def _featurecounts(path: Path, content: bytes, skipped: int, header: list[str]) -> Quantification:
    if len(header) != 7:
        raise InputError(
            "E_SCHEMA",
            f"the table has {len(header) - 6} count columns, and a delivery row names one sample",
            file=path.name,
            row=skipped + 1,
            fix="run featureCounts on one BAM at a time, or split the table by sample",
        )
    # The seventh column is named after a path of the lab's machine, which messages mustn't repeat.
    names = [*FEATURECOUNTS_ANNOTATION, "counts"]
    columns = delimited.columns_of(
        content, path, names, texts=["Geneid"], numbers=["Length", "counts"], skip_rows=skipped + 1
    )
    _refuse_duplicates(columns["Geneid"], path, skipped + 2, "Geneid")
    if columns["Geneid"].eq("protein_coding").any():
        raise InputError(
            "E_SCHEMA",
            "the reads are counted by biotype, not by gene",
            file=path.name,
            column="Geneid",
            fix="deliver the table that was counted by gene_id; the pipeline's table of biotypes is quality control",
        )
    _refuse_negative(columns["counts"], path, skipped + 2, "counts")
    _refuse_negative(columns["Length"], path, skipped + 2, "Length")
    return Quantification(
        "featurecounts",
        GENE,
        columns["Geneid"],
        columns["counts"],
        effective_length=columns["Length"],
        count_column=header[6],
    )


def _star(path: Path, content: bytes, skipped: int) -> Quantification:
    import numpy as np

    header = ["gene", "unstranded", "forward", "reverse"]
    columns = delimited.columns_of(content, path, header, texts=["gene"], numbers=header[1:], skip_rows=skipped)
    ids = columns["gene"]
    if tuple(ids[:4]) != STAR_COUNTERS:
        raise InputError(
            "E_TRUNCATED", "STAR's four N_ rows are not at the top", file=path.name, row=1, fix="deliver it as STAR did"
        )
    first_row = skipped + 1
    _refuse_duplicates(ids, path, first_row, "gene")
    for name in header[1:]:
        _refuse_negative(columns[name], path, first_row, name)
        fractional = np.flatnonzero(columns[name] % 1)
        if fractional.size:
            raise InputError(
                "E_SCHEMA",
                "STAR's counts are whole numbers, so the values were normalised",
                file=path.name,
                row=int(fractional[0]) + first_row,
                column=name,
                fix="deliver the counts as STAR wrote them",
            )
    strandedness = infer_strandedness(float(columns["forward"][4:].sum()), float(columns["reverse"][4:].sum()))
    chosen = columns[strandedness if strandedness in ("forward", "reverse") else "unstranded"]
    return Quantification(
        "star",
        GENE,
        ids.iloc[4:].reset_index(drop=True),
        chosen[4:],
        counters=dict(zip(STAR_COUNTERS, map(float, chosen[:4]), strict=True)),
        strandedness=strandedness,
    )


def _matrix(
    path: Path, content: bytes, skipped: int, header: list[str], sample_name: str, settings: Settings
) -> Quantification:
    import numpy as np

    kind, ids, symbols, values = expression_matrices.read_column(path, content, skipped, header, sample_name)
    _refuse_duplicates(ids, path, skipped + 2, "gene_id")
    _refuse_negative(values, path, skipped + 2, "sample_name")
    if kind == expression_matrices.TPM:
        return Quantification(kind, GENE, ids, np.zeros(len(ids)), tpm=values, symbols=symbols)
    abundance_units.refuse_normalised_reads(values, settings, path=path)
    return Quantification(kind, GENE, ids, values, symbols=symbols)


def infer_strandedness(forward: float, reverse: float) -> str:
    """Strand of a library from the reads that STAR counts per gene on either strand.

    ``forward`` or ``reverse`` from a share of 0.8, ``unstranded`` where the shares differ by at most 0.1,
    ``undetermined`` between (and without reads). The limits are those of nf-core/rnaseq.
    """
    total = forward + reverse
    if total <= 0:
        return "undetermined"
    if forward / total >= STRANDED_SHARE:
        return "forward"
    if reverse / total >= STRANDED_SHARE:
        return "reverse"
    return "unstranded" if abs(forward - reverse) / total <= UNSTRANDED_DIFFERENCE else "undetermined"


def _htseq(path: Path, content: bytes, skipped: int, header: list[str]) -> Quantification:
    has_header = not header[1].replace(".", "", 1).isdigit() and not header[1].lstrip("-").isdigit()
    first_row = skipped + 1 + has_header
    names = ["feature", "count"]
    columns = delimited.columns_of(
        content, path, names, texts=["feature"], numbers=["count"], skip_rows=skipped + has_header
    )
    ids, counts = columns["feature"], columns["count"]
    if set(ids.iloc[-5:]) != set(HTSEQ_COUNTERS):
        raise InputError(
            "E_TRUNCATED",
            "a table of two columns is taken for HTSeq's, and its five closing __ rows are missing",
            file=path.name,
            row=first_row + len(ids) - 1,
            fix="deliver the table as htseq-count wrote it",
        )
    _refuse_duplicates(ids, path, first_row, "feature")
    _refuse_negative(counts, path, first_row, "count")
    return Quantification(
        "htseq",
        GENE,
        ids.iloc[:-5],
        counts[:-5],
        counters=dict(zip(ids.iloc[-5:], map(float, counts[-5:]), strict=True)),
    )


def _refuse_duplicates(ids: pd.Series, path: Path, first_row: int, column: str) -> None:
    from palbo_assets.rnaseq.identifiers import EXCEL_DATE

    twice = ids.duplicated().to_numpy()
    if not twice.any():
        return
    position = int(twice.argmax())
    damaged = bool(EXCEL_DATE.match(ids.iloc[position]))
    raise InputError(
        "E_SCHEMA",
        f"{int(twice.sum())} ids stand more than once"
        + (", among them symbols that a spreadsheet turned into dates" if damaged else ""),
        file=path.name,
        row=position + first_row,
        column=column,
        fix="deliver the file as the tool wrote it, not saved by a spreadsheet" if damaged else "one row an id",
    )


def _refuse_negative(values: np.ndarray, path: Path, first_row: int, column: str) -> None:
    negative = values < 0
    if negative.any():
        raise InputError(
            "E_SCHEMA",
            f"{int(negative.sum())} values are negative, which reads, TPM and lengths can't be",
            file=path.name,
            row=int(negative.argmax()) + first_row,
            column=column,
            fix="deliver the quantifier's table, not normalised or log-transformed values",
        )
