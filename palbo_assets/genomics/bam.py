"""BAM records in inflated bytes: where each starts, and its fields, for compiled kernels.

A record is what the SAM/BAM specification (section 4.2) says, with its block size first; offsets are from there.
CRAM is rewritten as BAM first, by htslib in a process of its own (its calls hold the interpreter's lock).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np

from palbo_assets.genomics.unaligned import load16, load32
from palbo_assets.platform.errors import InputError

EXCLUDED_FLAGS = 0x4 | 0x100 | 0x200 | 0x400 | 0x800
"""Unmapped, secondary, QC fail, duplicate, supplementary: reads that are no evidence."""
PAIRED, MATE_UNMAPPED, REVERSE, SECOND = 0x1, 0x8, 0x10, 0x80
NAME = 36
"""Offset of the read's name in its record."""
NIBBLES = "=ACMGRSVTWYHKDBN"
"""What the 4-bit codes of a record's bases mean."""

NIBBLE_OF = np.full(256, 15, dtype=np.uint8)
for _code, _letter in enumerate(NIBBLES):
    NIBBLE_OF[ord(_letter)] = NIBBLE_OF[ord(_letter.lower())] = _code


def nibbles(bases: str) -> np.ndarray:
    """Bases as 4-bit codes, one a byte (uint8); anything unknown is N (15)."""
    return NIBBLE_OF[np.frombuffer(bases.encode("ascii", "replace"), dtype=np.uint8)]


@numba.njit(cache=True, nogil=True)
def int32(data: np.ndarray, at: int) -> Any:
    """Little-endian signed integer at an offset."""
    return np.int64(np.int32(load32(data, at)))


@numba.njit(cache=True, nogil=True)
def uint8(data: np.ndarray, at: int) -> Any:
    """Byte at an offset, as a signed integer that can be calculated with."""
    return np.int64(data[at])


@numba.njit(cache=True, nogil=True)
def uint16(data: np.ndarray, at: int) -> Any:
    """Little-endian unsigned short at an offset."""
    return np.int64(load16(data, at))


@numba.njit(cache=True, nogil=True)
def nibble(data: np.ndarray, bases: int, index: int) -> Any:
    """4-bit code of a base; ``bases`` is the offset of the record's packed bases."""
    byte = data[bases + (index >> 1)]
    return (byte >> 4) if index & 1 == 0 else (byte & 15)


@numba.njit(cache=True, nogil=True)
def name_keys(data: np.ndarray, record: int) -> Any:
    """Two independent 64-bit hashes of a read's name: together no two names of a file collide in practice."""
    first = np.uint64(14695981039346656037)
    second = np.uint64(0x9E3779B97F4A7C15)
    for index in range(record + NAME, record + NAME + uint8(data, record + 12) - 1):
        byte = np.uint64(data[index])
        first = (first ^ byte) * np.uint64(1099511628211)
        second = (second + byte + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
        second ^= second >> np.uint64(32)
    return first ^ (first >> np.uint64(29)), second


@numba.njit(cache=True, nogil=True)
def whole_records(data: np.ndarray) -> Any:
    """Bytes of ``data`` that are whole records, and how many these are; -1 bytes where a record contradicts itself."""
    at = count = 0
    while at + 4 <= data.size:
        size = int32(data, at)
        if size < 32:
            return -1, count
        if at + 4 + size > data.size:
            break
        name, cigar, bases = uint8(data, at + 12), uint16(data, at + 16), int32(data, at + 20)
        if bases < 0 or name == 0 or 32 + name + 4 * cigar + (bases + 1) // 2 + bases > size:
            return -1, count
        at += 4 + size
        count += 1
    return at, count


@numba.njit(cache=True, nogil=True)
def record_offsets(data: np.ndarray) -> Any:
    """Where each record of a chunk of whole records starts (int64)."""
    count = 0
    at = 0
    while at < data.size:
        at += 4 + int32(data, at)
        count += 1
    found = np.empty(count, np.int64)
    at = 0
    for index in range(count):
        found[index] = at
        at += 4 + int32(data, at)
    return found


def unsorted(path: Path) -> InputError:
    """The error for reads that come out of order."""
    return InputError(
        "E_UNSORTED", "reads aren't sorted by coordinate", file=path.name, fix="sort by coordinate, send again"
    )


def is_cram(path: Path) -> bool:
    """Whether the file starts as a CRAM."""
    with path.open("rb") as file:
        return file.read(4) == b"CRAM"


def as_bam(path: Path, folder: Path, fasta: Path | None = None) -> Path:
    """The BAM itself, or a CRAM's reads as a BAM in ``folder`` (kept there, made once).

    Raises
    ------
    InputError
        ``E_REFERENCE_MISMATCH`` where a CRAM asks for reference bases that aren't there, or are others; ``E_TRUNCATED``
        where it can't be decoded for another cause.
    """
    import hashlib
    import os
    import re
    import subprocess
    import sys

    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="send it again")
    if not is_cram(path):
        return path
    # Labs call the files of several samples alike, each in its own folder.
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    target, made = folder / f"{name}.bam", folder / f"{name}.part"
    if target.exists():
        return target
    arguments = ["-b", "--fast", *(["-T", str(fasta)] if fasta else []), "-o", str(made), str(path)]
    script = "import sys, pysam; pysam.samtools.view(*sys.argv[1:], catch_stdout=False)"
    # htslib asks a server for reference bases that it lacks, unless it is told to look nowhere.
    nowhere = {**os.environ, "REF_PATH": os.devnull, "REF_CACHE": os.devnull}
    done = subprocess.run([sys.executable, "-c", script, *arguments], check=False, capture_output=True, env=nowhere)
    if done.returncode or not made.exists():
        made.unlink(missing_ok=True)
        if re.search(rb"\[E::cram_[^\n]*\bref", done.stderr, re.IGNORECASE):
            raise InputError(
                "E_REFERENCE_MISMATCH",
                "the CRAM was made on another reference than the study's, or the study has none",
                file=path.name,
                fix="register the reference that it was made on (`palbo reference add`), or send it as BAM",
            )
        raise InputError(
            "E_TRUNCATED", "the CRAM can't be decoded to its end", file=path.name, fix="send it again, or as BAM"
        )
    made.rename(target)
    return target
