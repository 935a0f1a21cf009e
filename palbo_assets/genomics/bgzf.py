"""BGZF (SAM/BAM specification, section 4.1), inflated with libdeflate: whole files, and BAM records in bounded chunks.

A virtual offset is ``(offset of the block in the file) << 16 | (offset in the inflated block)``. Every block's checksum
is compared, so a file that was damaged on its way is refused, not read as other bases.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecodecs import DeflateError, deflate_crc32, deflate_decode

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_READ_BYTES = 1 << 18
_LARGEST_BLOCK = 1 << 16
_HEAD = struct.Struct("<4s6xH4sH")  # magic and flags, extra length, the BC subfield's name and length, block size - 1
_TAIL = struct.Struct("<II")  # checksum and length of the content


class BamHeader(NamedTuple):
    """The header's text, contigs (name -> length in bases, in file order), and where the first record starts."""

    text: str
    contigs: dict[str, int]
    first_record: int


class _Block(NamedTuple):
    """A block as the file holds it: its place and size there, its packed content, and what that must inflate to."""

    offset: int
    size: int
    packed: Any  # a view of bytes; imagecodecs' types know only some of those that it takes
    length: int
    checksum: int


def is_bgzf(path: Path) -> bool:
    """Whether the file starts with a BGZF block."""
    with path.open("rb") as file:
        start = file.read(12)
        extra = file.read(int.from_bytes(start[10:12], "little"))
    return start[:4] == b"\x1f\x8b\x08\x04" and b"BC\x02\x00" in extra


def inflate(path: Path, *, need_eof: bool = False) -> bytes:
    """A whole file: BGZF and gzip inflated, anything else as it is.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` for a cut or damaged file, and with ``need_eof`` for a BGZF file without its end marker.
    """
    if is_bgzf(path):
        with path.open("rb") as file:
            return b"".join(_content(block, path) for block in _blocks(file, path, 0, need_eof=need_eof))
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    import gzip

    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise _damaged(path) from None


def line_chunks(path: Path, size: int = 3 << 17) -> Iterator[bytes | bytearray]:
    """Text of a BGZF, gzip or plain file in chunks of about ``size`` bytes, cut at a line's end; the last one as it is.

    Memory stays bounded, and each chunk is worked on while it is in the processor's cache.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` for a cut or damaged file, when its place is reached.
    """
    import gzip

    with path.open("rb") as file:
        if is_bgzf(path):
            yield from _block_lines(file, path, size)
            return
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        rest = b""
        try:
            with gzip.GzipFile(fileobj=file) if packed else file as content:
                while piece := content.read(size):
                    whole = rest + piece
                    cut = whole.rfind(b"\n") + 1
                    rest = whole[cut:]
                    if cut:
                        yield whole[:cut]
        except (OSError, EOFError, zlib.error):
            raise _damaged(path) from None
    if rest:
        yield rest


def _block_lines(file: BufferedReader, path: Path, size: int) -> Iterator[bytearray]:
    """As `line_chunks`, inflated into the chunk itself."""
    chunk, held = bytearray(size + _LARGEST_BLOCK), 0
    goal = size
    for block in _blocks(file, path, 0):
        with memoryview(chunk) as room:
            _unpack(block, room[held : held + block.length], path)
        held += block.length
        if held < goal:
            continue
        cut = chunk.rfind(b"\n", 0, held) + 1
        following = bytearray(held - cut + size + _LARGEST_BLOCK)
        following[: held - cut] = memoryview(chunk)[cut:held]
        del chunk[cut:]
        if cut:
            yield chunk
        chunk, held = following, held - cut
        goal = held + size
    del chunk[held:]
    if chunk:
        yield chunk


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
            known += _content(block, path)
            parsed = _parse_header(known, path)
            if parsed is not None:
                text, contigs, end = parsed
                if end < len(known) or not block.length:
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
    path: Path, start: int = 0, stop: int | None = None, chunk_bytes: int = 1 << 19, *, need_eof: bool = True
) -> Iterator[np.ndarray]:
    """A BAM's records as uint8 arrays that hold whole records only, each record as in the file (block size first).

    As `counted_chunks`, without the numbers of records.
    """
    for chunk, _ in counted_chunks(path, start, stop, chunk_bytes, need_eof=need_eof):
        yield chunk


def counted_chunks(
    path: Path,
    start: int = 0,
    stop: int | None = None,
    chunk_bytes: int = 1 << 19,
    *,
    need_eof: bool = True,
    reuse: bool = False,
) -> Iterator[tuple[np.ndarray, int]]:
    """(whole records as a uint8 array, how many), from the first to the last.

    Parameters
    ----------
    start, stop
        Virtual offsets of the first record and of the end; 0 starts behind the header, None ends with the file.
    chunk_bytes
        Inflated bytes an array holds, about; a longer record has an array of its own. Bounds memory, and what fits
        the processor's cache is inflated and read fastest.
    need_eof
        Without ``stop``: refuse a file that lacks BGZF's end marker, because it was cut.
    reuse
        Whether an array's memory may be written again once the next one is asked for: fresh memory costs as much as
        reading it.

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
    chunk, held = np.empty(chunk_bytes + _LARGEST_BLOCK, dtype=np.uint8), 0
    spare = np.empty(0, dtype=np.uint8)
    goal = chunk_bytes

    def whole() -> tuple[int, int]:
        end, count = whole_records(chunk[:held])
        if end < 0:
            raise _damaged(path)
        return end, count

    with path.open("rb") as file:
        for block in _blocks(file, path, start >> 16, need_eof=need_eof and stop is None):
            _unpack(block, chunk.data[held : held + block.length], path)
            length = block.length
            if last_block is not None and block.offset >= last_block:
                length = min(length, last_byte) if block.offset == last_block else 0
            if skip:  # the first block, from its middle
                length = max(0, length - skip)
                chunk[:length] = chunk[skip : skip + length].copy()
                skip = 0
            held += length
            if held >= goal:
                end, count = whole()
                needed = held - end + chunk_bytes + _LARGEST_BLOCK
                following = spare if spare.size >= needed else np.empty(needed + _LARGEST_BLOCK, dtype=np.uint8)
                following[: held - end] = chunk[end:held]
                if end:
                    yield chunk[:end], count
                if reuse:
                    spare = chunk
                chunk, held = following, held - end
                goal = held + chunk_bytes
            if last_block is not None and block.offset + block.size > last_block:
                break
    end, count = whole()
    if end < held:
        raise _damaged(path)
    if end:
        yield chunk[:end], count


def _blocks(file: BufferedReader, path: Path, offset: int, *, need_eof: bool = False) -> Iterator[_Block]:
    """The blocks from a block's offset on, each to be used before the next; the file is read in pieces."""
    file.seek(offset)
    buffer = bytearray(_READ_BYTES)
    view = memoryview(buffer)
    at = end = 0
    ended = False
    while True:
        if end - at < _LARGEST_BLOCK:
            view[: end - at] = view[at:end]
            at, end = 0, end - at
            while end < _READ_BYTES and (read := file.readinto(view[end:])):
                end += read
            if not end:
                break
        found = _block_head(buffer, at, end)
        if found is None:
            raise _damaged(path)
        body, size = found
        checksum, length = _TAIL.unpack_from(buffer, at + size - 8)
        if length > _LARGEST_BLOCK:
            raise _damaged(path)
        ended = length == 0
        yield _Block(offset, size, view[body : at + size - 8], length, checksum)
        offset += size
        at += size
    if need_eof and not ended:
        raise InputError(
            "E_TRUNCATED", "the end marker is missing; the file is cut", file=path.name, fix="send it again"
        )


def _unpack(block: _Block, into: Any, path: Path) -> None:
    """Inflate a block into just the room that it needs."""
    if not block.length:
        return
    try:
        found = deflate_decode(block.packed, raw=True, out=into)
    except DeflateError:
        raise _damaged(path) from None
    if len(found) != block.length or deflate_crc32(into) != block.checksum:
        raise _damaged(path)


def _content(block: _Block, path: Path) -> bytearray:
    content = bytearray(block.length)
    _unpack(block, memoryview(content), path)
    return content


def _block_head(buffer: bytearray, at: int, end: int) -> tuple[int, int] | None:
    """Where the content of the block that starts here lies, and the block's size; None where none is whole."""
    if end - at < 18:
        return None
    magic, extra, name, size = _HEAD.unpack_from(buffer, at)
    if magic != b"\x1f\x8b\x08\x04":
        return None
    body = at + 12 + extra
    if name != b"BC\x02\x00":
        field = at + 12
        while field + 6 <= min(body, end) and buffer[field : field + 4] != b"BC\x02\x00":
            field += 4 + int.from_bytes(buffer[field + 2 : field + 4], "little")
        if field + 6 > min(body, end):
            return None
        size = int.from_bytes(buffer[field + 4 : field + 6], "little")
    return (body, size + 1) if body + 8 <= at + size + 1 <= end else None


def _damaged(path: Path) -> InputError:
    return InputError("E_TRUNCATED", "the file is cut or damaged", file=path.name, fix="send it again")
