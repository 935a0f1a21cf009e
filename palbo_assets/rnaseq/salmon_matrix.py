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
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from palbo_assets.rnaseq.gene_summary import summarise
from palbo_assets.rnaseq.quantifiers import Quantification, read_quantification

if TYPE_CHECKING:
    from palbo_assets.rnaseq.transcript_map import TranscriptMap

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
    names = "\n".join(first.ids).encode() + b"\n"
    reference = np.frombuffer(names, dtype=np.uint8)
    members = np.maximum(np.bincount(code[code >= 0], minlength=len(gene_ids)), 1)
    shape = (len(gene_ids), len(paths))
    # A sample's genes lie side by side, as they are written.
    counts, tpm_of, length_of = (np.zeros(shape, order="F") for _ in range(3))
    general = 0
    sums = np.empty((len(gene_ids), 4))
    buffer = np.empty(max(path.stat().st_size for path in paths) + 1, dtype=np.uint8)
    for column, path in enumerate(paths):
        content = _content(path, buffer)
        sums[:] = 0
        reads, unmapped, tpm = parse(content, reference, code, sums)
        if reads < 0 or not _whole(reads, unmapped, tpm, unmapped_max):
            general += 1
            other = summarise(read_quantification(path), transcripts, unmapped_max).genes
            if not np.array_equal(other["gene_id"].to_numpy(), gene_ids):
                raise _other_genes(path)
            counts[:, column], tpm_of[:, column] = other["count"], other["tpm"]
            length_of[:, column] = other["effective_length"]
            continue
        counts[:, column], tpm_of[:, column] = sums[:, 0], sums[:, 1]
        length_of[:, column] = sums[:, 3] / members
        np.divide(sums[:, 2], sums[:, 1], out=length_of[:, column], where=sums[:, 1] > 0)
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


_POWERS = np.array([float(10**k) for k in range(23)])  # each exactly a double


@njit(cache=True, nogil=True)
def parse(content: np.ndarray, names: np.ndarray, code: np.ndarray, sums: np.ndarray) -> tuple[float, float, float]:
    """Add the numbers of one ``quant.sf`` to its genes' sums.

    Parameters
    ----------
    content
        The file's bytes.
    names
        The first file's transcript names, each ended by a newline, as bytes.
    code
        Row of each transcript's gene in ``sums``; -1 for none.
    sums
        (genes, 4), zeros: reads, TPM, TPM times effective length, effective length.

    Returns
    -------
    (reads of all transcripts, reads without a gene, sum of TPM); (-1, 0, 0) where the file differs from the first one
    or from what salmon writes.
    """
    header = b"Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
    bad = (-1.0, 0.0, 0.0)
    size, n_names = content.size, names.size
    if size < len(header) or content[size - 1] != 10:
        return bad
    for i in range(len(header)):
        if content[i] != header[i]:
            return bad
    at, name = len(header), 0
    reads = unmapped = total = 0.0
    values = np.empty(4)
    for row in range(code.size):
        while name < n_names and names[name] != 10:
            if at >= size or content[at] != names[name]:
                return bad
            at += 1
            name += 1
        name += 1
        if at >= size or content[at] != 9:
            return bad
        at += 1
        for field in range(4):
            value, at = _number(content, at)
            if at < 0 or content[at] != (10 if field == 3 else 9):
                return bad
            values[field] = value
            at += 1
        gene = code[row]
        reads += values[3]
        total += values[2]
        if gene < 0:
            unmapped += values[3]
        else:
            sums[gene, 0] += values[3]
            sums[gene, 1] += values[2]
            sums[gene, 2] += values[2] * values[1]
            sums[gene, 3] += values[1]
    return (reads, unmapped, total) if at == size else bad


@njit(cache=True, nogil=True)
def _number(content: np.ndarray, at: int) -> tuple[float, int]:
    """(the unsigned number at ``at``, position behind it); position -1 where there is none.

    Digits are gathered into one integer and scaled once, which is the nearest double as long as there are at most 15
    digits and 22 powers of ten (Clinger 1990); more digits, signs and words are left to the general reader.
    """
    integer = 0
    size = content.size
    start = at
    while at < size and 48 <= content[at] <= 57:
        integer = integer * 10 + (content[at] - 48)
        at += 1
    digits, decimals = at - start, 0
    if at < size and content[at] == 46:
        at += 1
        start = at
        while at < size and 48 <= content[at] <= 57:
            integer = integer * 10 + (content[at] - 48)
            at += 1
        decimals = at - start
        digits += decimals
    if digits == 0 or digits > 15 or at >= size:
        return 0.0, -1
    exponent = 0
    octet = content[at]
    if octet == 101 or octet == 69:
        at += 1
        negative = False
        if at < size and (content[at] == 45 or content[at] == 43):
            negative = content[at] == 45
            at += 1
        begin = at
        while at < size and 48 <= content[at] <= 57 and at - begin < 4:
            exponent = exponent * 10 + (content[at] - 48)
            at += 1
        if at == begin or at >= size:
            return 0.0, -1
        if negative:
            exponent = -exponent
    scale = exponent - decimals
    if scale < -22 or scale > 22:
        return 0.0, -1
    return (integer / _POWERS[-scale] if scale < 0 else integer * _POWERS[scale]), at
