"""BGZF (SAM/BAM specification, section 4.1), inflated with libdeflate: whole files, and BAM records in bounded chunks.

A virtual offset is ``(offset of the block in the file) << 16 | (offset in the inflated block)``. Every block's checksum
is compared, so a file that was damaged on its way is refused, not read as other bases.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np

try:  # libdeflate inflates 2.8 times as fast as zlib
    import deflate
except ImportError:  # pragma: no cover
    deflate = None  # type: ignore[assignment]

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_READ_BYTES = 1 << 18
_LARGEST_BLOCK = 1 << 16
_HEAD = struct.Struct("<4s6xH4sH")  # magic and flags, extra length, the BC subfield's name and length, block size - 1


class BamHeader(NamedTuple):
    """The header's text, contigs (name -> length in bases, in file order), and where the first record starts."""

    text: str
    contigs: dict[str, int]
    first_record: int


class _Block(NamedTuple):
    offset: int
    size: int
    content: bytes | bytearray


def is_bgzf(path: Path) -> bool:
    """Whether the file starts with a BGZF block."""
    with path.open("rb") as file:
        start = file.read(18)
    return start[:4] == b"\x1f\x8b\x08\x04" and b"BC\x02\x00" in start


def inflate(path: Path, *, need_eof: bool = False) -> bytes:
    """A whole file: BGZF and gzip inflated, anything else as it is.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` for a cut or damaged file, and with ``need_eof`` for a BGZF file without its end marker.
    """
    if is_bgzf(path):
        with path.open("rb") as file:
            return b"".join(block.content for block in _blocks(file, path, 0, need_eof=need_eof))
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    import gzip

    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise _damaged(path) from None


def line_chunks(path: Path, size: int = 1 << 19) -> Iterator[bytes]:
    """Text of a BGZF, gzip or plain file in chunks of about ``size`` bytes, cut at a line's end; the last one as it is.

    Memory stays bounded, and each chunk is worked on while it is in the processor's cache.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` for a cut or damaged file, when its place is reached.
    """
    held: list[bytes | bytearray] = []
    length = 0
    for content in _contents(path, size):
        held.append(content)
        length += len(content)
        if length < size:
            continue
        whole = b"".join(held)
        cut = whole.rfind(b"\n") + 1
        held, length = [whole[cut:]], len(whole) - cut
        if cut:
            yield whole[:cut]
    if length:
        yield b"".join(held)


def _contents(path: Path, size: int) -> Iterator[bytes | bytearray]:
    """Inflated content, piece by piece."""
    import gzip

    with path.open("rb") as file:
        if is_bgzf(path):
            yield from (block.content for block in _blocks(file, path, 0))
            return
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            with gzip.GzipFile(fileobj=file) if packed else file as content:
                while piece := content.read(size):
                    yield piece
        except (OSError, EOFError, zlib.error):
            raise _damaged(path) from None


def bam_header(path: Path) -> BamHeader:
    """Header of a BAM.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF`` for what is no BAM, ``E_TRUNCATED``.
    """
    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="send it again")
    if not is_bgzf(path):
        raise InputError("E_NOT_BGZF", "this is no BAM", file=path.name, fix="deliver a BAM or CRAM")
    known = b""
    blocks: list[tuple[int, int]] = []  # where each block starts: in the file, in the inflated text
    with path.open("rb") as file:
        for block in _blocks(file, path, 0):
            blocks.append((block.offset, len(known)))
            known += block.content
            parsed = _parse_header(known, path)
            if parsed is not None:
                text, contigs, end = parsed
                if end < len(known) or not block.content:
                    offset, start = next(one for one in reversed(blocks) if one[1] <= end)
                    return BamHeader(text, contigs, offset << 16 | (end - start))
                return BamHeader(text, contigs, (block.offset + block.size) << 16)
    raise _damaged(path)


def _parse_header(known: bytes, path: Path) -> tuple[str, dict[str, int], int] | None:
    """Text, contigs and length of the header; None where more bytes are needed."""
    if known[:4] != b"BAM\1":
        if len(known) < 4:
            return None
        raise InputError("E_NOT_BGZF", "this is no BAM", file=path.name, fix="deliver a BAM or CRAM")
    try:
        (length,) = struct.unpack_from("<i", known, 4)
        (count,) = struct.unpack_from("<i", known, 8 + length)
        at = 12 + length
        contigs = {}
        for _ in range(count):
            (name,) = struct.unpack_from("<i", known, at)
            (bases,) = struct.unpack_from("<i", known, at + 4 + name)
            contigs[known[at + 4 : at + 3 + name].decode("ascii", "replace")] = bases
            at += 8 + name
    except struct.error:
        return None
    return known[8 : 8 + length].rstrip(b"\0").decode("utf-8", "replace"), contigs, at


def record_chunks(
    path: Path, start: int = 0, stop: int | None = None, chunk_bytes: int = 16 << 20, *, need_eof: bool = True
) -> Iterator[np.ndarray]:
    """A BAM's records as uint8 arrays that hold whole records only, each record as in the file (block size first).

    Parameters
    ----------
    start, stop
        Virtual offsets of the first record and of the end; 0 starts behind the header, None ends with the file.
    chunk_bytes
        Inflated bytes an array holds, about; a longer record has an array of its own. Bounds memory.
    need_eof
        Without ``stop``: refuse a file that lacks BGZF's end marker, because it was cut.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_NOT_BGZF``, ``E_TRUNCATED``; raised where the damage is met, after the chunks before it.
    """
    import numpy as np

    from palbo_assets.genomics.bam import whole_records

    if start == 0:
        start = bam_header(path).first_record
    skip = start & 0xFFFF
    last_block, last_byte = (None, 0) if stop is None else (stop >> 16, stop & 0xFFFF)
    parts: list[bytes | bytearray] = []
    held = 0
    rest = np.empty(0, dtype=np.uint8)

    def joined() -> np.ndarray:
        chunk = np.empty(len(rest) + held, dtype=np.uint8)
        chunk[: len(rest)] = rest
        at = len(rest)
        for part in parts:
            chunk[at : at + len(part)] = np.frombuffer(part, dtype=np.uint8)
            at += len(part)
        return chunk

    def whole(chunk: np.ndarray) -> int:
        end = int(whole_records(chunk))
        if end < 0:
            raise _damaged(path)
        return end

    with path.open("rb") as file:
        for block in _blocks(file, path, start >> 16, need_eof=need_eof and stop is None):
            content = block.content
            if last_block is not None and block.offset >= last_block:
                content = content[:last_byte] if block.offset == last_block else b""
            if skip:
                content, skip = content[skip:], 0
            parts.append(content)
            held += len(content)
            if held >= chunk_bytes:
                chunk = joined()
                end = whole(chunk)
                rest, parts, held = chunk[end:].copy(), [], 0
                if end:
                    yield chunk[:end]
            if last_block is not None and block.offset + block.size > last_block:
                break
    chunk = joined()
    end = whole(chunk)
    if end < len(chunk):
        raise _damaged(path)
    if end:
        yield chunk


def _blocks(file: BinaryIO, path: Path, offset: int, *, need_eof: bool = False) -> Iterator[_Block]:
    """Inflated blocks from a block's offset on; the file is read in pieces."""
    file.seek(offset)
    held = b""
    at = 0
    ended = False
    while True:
        if len(held) - at < _LARGEST_BLOCK:
            held = held[at:] + file.read(_READ_BYTES)
            at = 0
            if not held:
                break
        size = _block_size(held, at)
        if size is None or at + size > len(held):
            raise _damaged(path)
        checksum, length = struct.unpack_from("<II", held, at + size - 8)
        body = at + 12 + int.from_bytes(held[at + 10 : at + 12], "little")
        try:
            content = _inflated(held[body : at + size - 8], length, checksum) if length else b""
        except ValueError:
            raise _damaged(path) from None
        ended = length == 0
        yield _Block(offset, size, content)
        offset += size
        at += size
    if need_eof and not ended:
        raise InputError(
            "E_TRUNCATED", "the end marker is missing; the file is cut", file=path.name, fix="send it again"
        )


def _inflated(packed: bytes, length: int, checksum: int) -> bytes | bytearray:
    """Content of one block; ValueError where length or checksum aren't the stated ones."""
    content: bytes | bytearray
    if deflate is None:
        try:
            content = zlib.decompress(packed, -15, length)
        except zlib.error:
            raise ValueError from None
        found = zlib.crc32(content)
    else:
        try:
            content = deflate.deflate_decompress(packed, length)
        except deflate.DeflateError:
            raise ValueError from None
        found = deflate.crc32(content)
    if len(content) != length or found != checksum:
        raise ValueError
    return content


def _block_size(held: bytes, at: int) -> int | None:
    """Bytes of the block that starts here; None where none does."""
    if len(held) - at < 18:
        return None
    magic, extra, name, size = _HEAD.unpack_from(held, at)
    if magic != b"\x1f\x8b\x08\x04":
        return None
    if name == b"BC\x02\x00":
        return int(size) + 1
    field, end = at + 12, at + 12 + extra
    while field + 6 <= min(end, len(held)):
        length = int.from_bytes(held[field + 2 : field + 4], "little")
        if held[field : field + 2] == b"BC" and length == 2:
            return int.from_bytes(held[field + 4 : field + 6], "little") + 1
        field += 4 + length
    return None


def _damaged(path: Path) -> InputError:
    return InputError("E_TRUNCATED", "the file is cut or damaged", file=path.name, fix="send it again")
