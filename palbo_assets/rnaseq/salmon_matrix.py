"""Many samples of one salmon run at once: reads, TPM and effective lengths of genes x samples.

All samples of a run list the same transcripts in the same order. So the transcripts of the first file are mapped to
genes once, the names of the others are compared with it byte by byte, and each number goes straight from its digits
into its gene's sum; no table of transcripts is built. A file that isn't as the first one, or isn't as salmon writes
it, is handed to the general reader, which either reads it or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from palbo_assets.genomics.unaligned import borrowed, load64, trailing_zeros
from palbo_assets.rnaseq.digits import number
from palbo_assets.rnaseq.gene_summary import summarise
from palbo_assets.rnaseq.quantifiers import Quantification, read_quantification

if TYPE_CHECKING:
    from palbo_assets.rnaseq.transcript_map import TranscriptMap

_HEADER = b"Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
_TAB, _NEWLINE = 9, 10
_TABS, _ONES, _HIGH_BITS = np.uint64(0x0909090909090909), np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
TPM_TOLERANCE = 0.01  # as the general reader: the TPM of a whole table sum to a million within 1 %


@dataclass(frozen=True)
class GeneMatrix:
    """``counts`` (reads), ``tpm``, ``effective_length`` (bases): genes x samples, float64; rows are ``gene_ids`` in
    order, columns the files in the order given. ``general``: how many files the general reader took."""

    gene_ids: np.ndarray
    counts: np.ndarray
    tpm: np.ndarray
    effective_length: np.ndarray
    general: int


def gene_matrix(paths: Sequence[Path], transcripts: TranscriptMap, unmapped_max: float = 0.5) -> GeneMatrix:
    """salmon's ``quant.sf`` of several samples, summed to genes as `gene_summary.summarise` does for one.

    Raises
    ------
    InputError
        What `quantifiers.read_quantification` raises, for the first file that can't be read.
    NotEvaluableError
        What `summarise` raises. A file whose genes differ from the first one's is an InputError too.
    """
    first = read_quantification(paths[0])
    gene_ids, code = _codes(first, transcripts)
    names = "\t".join(first.ids).encode() + b"\t"
    reference = np.frombuffer(names, dtype=np.uint8)
    members = np.maximum(np.bincount(code[code >= 0], minlength=len(gene_ids)), 1)
    shape = (len(gene_ids), len(paths))
    # A sample's genes lie side by side, as they are written.
    counts, tpm_of, length_of = (np.zeros(shape, order="F") for _ in range(3))
    general = 0
    sums = np.zeros((len(gene_ids), 4))
    buffer = np.empty(max(path.stat().st_size for path in paths) + 1, dtype=np.uint8)
    for column, path in enumerate(paths):
        content = _content(path, buffer)
        reads, unmapped, tpm = parse(content, reference, code, sums)
        if reads < 0 or not _whole(reads, unmapped, tpm, unmapped_max):
            general += 1
            sums[:] = 0
            other = summarise(read_quantification(path), transcripts, unmapped_max).genes
            if not np.array_equal(other["gene_id"].to_numpy(), gene_ids):
                raise _other_genes(path)
            counts[:, column], tpm_of[:, column] = other["count"], other["tpm"]
            length_of[:, column] = other["effective_length"]
            continue
        spread(sums, members, counts[:, column], tpm_of[:, column], length_of[:, column])
    return GeneMatrix(gene_ids, counts, tpm_of, length_of, general)


def _content(path: Path, buffer: np.ndarray) -> np.ndarray:
    """The file's bytes, read into ``buffer``: fresh memory for every file would cost as much as reading it."""
    with path.open("rb", buffering=0) as file:
        size = 0
        while count := file.readinto(buffer.data[size:]):
            size += count
    return buffer[:size]


def _whole(reads: float, unmapped: float, tpm: float, unmapped_max: float) -> bool:
    """Whether the general reader would take the file without a word."""
    return reads > 0 and unmapped / reads <= unmapped_max and abs(tpm / 1e6 - 1) <= TPM_TOLERANCE


def _other_genes(path: Path) -> Exception:
    from palbo_assets.platform.errors import InputError

    return InputError(
        "E_SCHEMA",
        "its genes aren't those of the first file, so it was quantified with another annotation",
        file=path.name,
        fix="quantify all samples with one annotation",
    )


def _codes(first: Quantification, transcripts: TranscriptMap) -> tuple[np.ndarray, np.ndarray]:
    """Genes in order, and the row of each transcript's gene in them; -1 where the map lacks the transcript."""
    import pandas as pd

    from palbo_assets.rnaseq.identifiers import without_par_y, without_version

    ids = without_par_y(without_version(first.ids))
    codes, gene_ids = pd.factorize(ids.map(transcripts.gene_of), sort=True)
    return np.asarray(gene_ids, dtype=object), codes.astype(np.int64)


@njit(cache=True, nogil=True)
def parse(content: np.ndarray, names: np.ndarray, code: np.ndarray, sums: np.ndarray) -> Any:
    """Add the numbers of one ``quant.sf`` to its genes' sums.

    Parameters
    ----------
    content
        The file's bytes.
    names
        The first file's transcript names, each ended by a tab, as bytes.
    code
        Row of each transcript's gene in ``sums``; -1 for none.
    sums
        (genes, 4), zeros: reads, TPM, TPM times effective length, effective length.

    Returns
    -------
    (reads of all transcripts, reads without a gene, sum of TPM); (-1, 0, 0) where the file differs from the first one
    or from what salmon writes.
    """
    content, names, code, sums = borrowed(content), borrowed(names), borrowed(code), borrowed(sums)
    bad = (-1.0, 0.0, 0.0)
    size = content.size
    if size < len(_HEADER) or content[size - 1] != _NEWLINE:
        return bad
    for i in range(len(_HEADER)):
        if content[i] != _HEADER[i]:
            return bad
    at, name = len(_HEADER), 0
    reads = unmapped = total = 0.0
    for row in range(code.size):
        same = same_field(content, at, names, name)
        if same < 0:
            return bad
        at += same
        name += same
        _, at = number(content, at)
        if at < 0 or content[at] != _TAB:
            return bad
        effective, at = number(content, at + 1)
        if at < 0 or content[at] != _TAB:
            return bad
        tpm, at = number(content, at + 1)
        if at < 0 or content[at] != _TAB:
            return bad
        count, at = number(content, at + 1)
        if at < 0 or content[at] != _NEWLINE:
            return bad
        at += 1
        gene = code[row]
        reads += count
        total += tpm
        if gene < 0:
            unmapped += count
        else:
            sums[gene, 0] += count
            sums[gene, 1] += tpm
            sums[gene, 2] += tpm * effective
            sums[gene, 3] += effective
    return (reads, unmapped, total) if at == size else bad


@njit(cache=True, nogil=True)
def spread(
    sums: np.ndarray, members: np.ndarray, counts: np.ndarray, tpm_of: np.ndarray, length_of: np.ndarray
) -> None:
    """One sample's sums, as `parse` leaves them, into its column of each matrix; the sums are zero again afterwards.

    A gene's effective length is the mean of its transcripts' weighted by TPM, and without expression their plain mean
    over its ``members``.
    """
    for gene in range(members.size):
        counts[gene], tpm_of[gene] = sums[gene, 0], sums[gene, 1]
        if sums[gene, 1] > 0:
            length_of[gene] = sums[gene, 2] / sums[gene, 1]
        else:
            length_of[gene] = sums[gene, 3] / members[gene]
        sums[gene, 0] = sums[gene, 1] = sums[gene, 2] = sums[gene, 3] = 0.0


@njit(cache=True, nogil=True)
def same_field(content: np.ndarray, at: int, names: np.ndarray, name: int) -> Any:
    """Length, with its tab, of the field that starts at ``name`` and, where the answer isn't -1, also at ``at``."""
    start = at
    while at + 8 <= content.size and name + 8 <= names.size:
        word = load64(names, name)
        unlike = word ^ load64(content, at)
        # The lowest byte that is a tab: its difference from one borrows into its high bit.
        tabs = word ^ _TABS
        tabs = (tabs - _ONES) & ~tabs & _HIGH_BITS
        if tabs:
            behind = trailing_zeros(tabs) + np.uint64(1)  # bits up to the tab, with it
            if (unlike << (np.uint64(64) - behind)) != 0:
                return -1
            return at - start + np.int64(behind >> np.uint64(3))
        if unlike:
            return -1
        at += 8
        name += 8
    while at < content.size and name < names.size and content[at] == names[name]:
        if names[name] == _TAB:
            return at + 1 - start
        at += 1
        name += 1
    return -1
