"""HEADER and TEXT of an FCS file: where its segments lie, and what its keywords say.

FCS 3.1 (Spidlen et al. 2010, Cytometry A 77:97) and its forerunners 2.0 and 3.0. Offsets are held against the size of
the file before anything is read, and the number of keywords against a limit before any is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from palbo_assets.platform.errors import InputError

VERSIONS = ("FCS2.0", "FCS3.0", "FCS3.1")
HEADER_BYTES = 58
MOST_TEXT_BYTES = 8 << 20  # spectral files with hundreds of channels hold some 200 kB
MOST_KEYWORDS = 50_000
_REQUIRED = ("$PAR", "$DATATYPE", "$BYTEORD", "$MODE")

Segment = tuple[int, int]
"""First and last byte; (0, 0) where the file states none."""


@dataclass(frozen=True)
class Header:
    """The first 58 bytes: version (``FCS3.1``) and segments."""

    version: str
    text: Segment
    data: Segment


@dataclass(frozen=True)
class Keywords:
    """Keywords in upper case with their ``$``. One that stands twice with two values is ``ambiguous``."""

    values: Mapping[str, str]
    ambiguous: frozenset[str]
    file: str

    def text(self, keyword: str, default: str | None = None) -> str:
        """Value without surrounding blanks.

        Raises
        ------
        InputError
            ``E_SCHEMA`` when it is missing without a default, or stands twice with two values.
        """
        if keyword in self.ambiguous:
            raise self.refuse(f"keyword {keyword} stands twice with two values")
        if keyword in self.values:
            return self.values[keyword].strip()
        if default is None:
            raise self.refuse(f"keyword {keyword} is missing")
        return default

    def integer(self, keyword: str, default: int | None = None) -> int:
        """As `text`, and ``E_SCHEMA`` for what is no whole number. Blank is the default."""
        written = self.text(keyword, None if default is None else "")
        if not written and default is not None:
            return default
        if not re.fullmatch(r"[+-]?\d{1,18}", written, re.ASCII):
            raise self.refuse(f"keyword {keyword} is no whole number")
        return int(written)

    def number(self, keyword: str, default: float) -> float:
        """As `integer` for finite decimal numbers."""
        written = self.text(keyword, "")
        return self._finite(keyword, written) if written else default

    def pair(self, keyword: str) -> tuple[float, float]:
        """Two numbers with a comma between; (0, 0) where the keyword is missing or blank."""
        written = self.text(keyword, "")
        if not written:
            return 0.0, 0.0
        parts = written.split(",")
        if len(parts) != 2:
            raise self.refuse(f"keyword {keyword} isn't two numbers")
        return self._finite(keyword, parts[0]), self._finite(keyword, parts[1])

    def refuse(self, message: str, code: str = "E_SCHEMA") -> InputError:
        return InputError(
            code, message, file=self.file, fix="send the file again as the cytometer wrote it, as FCS 3.1"
        )

    def _finite(self, keyword: str, written: str) -> float:
        if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", written, re.ASCII) or len(written) > 60:
            raise self.refuse(f"keyword {keyword} is no number")
        value = float(written)
        if abs(value) > 1e300:
            raise self.refuse(f"keyword {keyword} is no number")
        return value


def read_header(handle: BinaryIO, size: int, *, file: str) -> Header:
    """Version and segments of a file of ``size`` bytes.

    Raises
    ------
    InputError
        ``E_EMPTY``; ``E_SCHEMA`` for what isn't FCS; ``E_TRUNCATED`` for a TEXT segment that the file hasn't got.
    """
    if size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=file, fix="export it again")
    header = handle.read(HEADER_BYTES)
    version = header[:6].decode("ascii", "replace")
    if version not in VERSIONS:
        raise InputError(
            "E_SCHEMA", "the file is not FCS 2.0, 3.0 or 3.1", file=file, fix="export it as FCS 3.1 from the cytometer"
        )
    if len(header) < HEADER_BYTES:
        raise truncated(file)
    offsets = []
    for start in (10, 18, 26, 34):
        written = header[start : start + 8].strip(b" \0")
        if not re.fullmatch(rb"\d{0,8}", written):
            raise InputError("E_SCHEMA", "an offset in the header is no number", file=file, fix="send the file again")
        offsets.append(int(written or 0))
    text = (offsets[0], offsets[1])
    if not HEADER_BYTES <= text[0] < text[1] or text[1] >= size:
        raise truncated(file)
    return Header(version, text, (offsets[2], offsets[3]))


def read_keywords(handle: BinaryIO, header: Header, size: int, *, file: str) -> Keywords:
    """Keywords of the primary TEXT, completed by the supplemental one where it is TEXT.

    All that is needed to read the data stands in the primary segment, so a supplemental one that is something else
    (some instruments keep archives there) is passed over; one that lies outside the file is a cut file.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the segment is no list of keywords and values; ``E_TRUNCATED`` as above.
    """
    pairs = _pairs(_read(handle, header.text, file), file)
    if pairs is None:
        raise InputError(
            "E_SCHEMA", "the TEXT segment is no list of keywords and values", file=file, fix="send the file again"
        )
    primary = _collect(pairs, file)
    extra = (primary.integer("$BEGINSTEXT", 0), primary.integer("$ENDSTEXT", 0))
    if extra == (0, 0) or extra == header.text or extra[1] <= extra[0]:
        return primary
    if extra[0] < HEADER_BYTES or extra[1] >= size:
        raise truncated(file)
    more = _pairs(_read(handle, extra, file), file)
    return primary if more is None else _collect([*pairs, *((k, v) for k, v in more if k not in primary.values)], file)


def data_segment(header: Header, keywords: Keywords, size: int) -> Segment:
    """First and last byte of the DATA segment, as HEADER and TEXT agree.

    FCS 2.0 states it in the header. Later versions state it in both, and only in TEXT when it ends beyond 99,999,999.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` when the two contradict each other, or the segment lies outside the file.
    """
    data = header.data
    if header.version != "FCS2.0" or data == (0, 0):
        stated = (keywords.integer("$BEGINDATA"), keywords.integer("$ENDDATA"))
        if data not in ((0, 0), stated):
            raise truncated(keywords.file)
        data = stated
    if not HEADER_BYTES <= data[0] <= data[1] or data[1] >= size:
        raise truncated(keywords.file)
    return data


def truncated(file: str) -> InputError:
    """The refusal of a file whose offsets and bytes don't fit."""
    return InputError(
        "E_TRUNCATED",
        "the file's offsets and its data don't fit: it was cut, or written by software that breaks the standard",
        file=file,
        fix="send the file again as the cytometer wrote it",
    )


def _read(handle: BinaryIO, segment: Segment, file: str) -> bytes:
    length = segment[1] - segment[0] + 1
    if length > MOST_TEXT_BYTES:
        raise InputError("E_SCHEMA", "the TEXT segment is larger than 8 MiB", file=file, fix="send the file again")
    handle.seek(segment[0])
    found = handle.read(length)
    if len(found) < length:
        raise truncated(file)
    return found


def _pairs(segment: bytes, file: str) -> list[tuple[str, str]] | None:
    """Keywords with values in the order of the file; None when the segment isn't such a list.

    The first byte is the delimiter; doubled it is itself a character of a value. Some software leaves values empty,
    which the standard forbids because that doubles the delimiter too: where the reading by the standard finds
    delimiters within keywords, or not what every file must state, doubled delimiters are read as empty values.
    """
    delimiter = segment[:1]
    if delimiter == b"\0" or delimiter.isalnum():
        return None
    if segment.count(delimiter) > 2 * MOST_KEYWORDS:
        raise InputError("E_SCHEMA", "the TEXT segment holds too many keywords", file=file, fix="send the file again")
    body = segment[1:].rstrip(b"\0 \r\n") if delimiter not in b" \r\n" else segment[1:]
    body = body[:-1] if body.endswith(delimiter) else body
    unused = next((bytes([code]) for code in range(256) if code not in body), None)
    if unused is None:
        return None
    by_standard = [token.replace(unused, delimiter) for token in body.replace(delimiter * 2, unused).split(delimiter)]
    mark = delimiter.decode("latin-1")
    for tokens in (by_standard, body.split(delimiter)):
        if tokens and not tokens[-1].strip() and len(tokens) % 2:
            tokens = tokens[:-1]
        texts = [_decoded(token) for token in tokens]
        pairs = [(key.strip().upper(), value) for key, value in zip(texts[::2], texts[1::2], strict=False)]
        known = {key for key, _ in pairs}
        makes_sense = all(keyword in known for keyword in _REQUIRED) and not any(mark in key for key in known)
        if len(tokens) % 2 == 0 and makes_sense:
            return pairs
    return pairs if len(tokens) % 2 == 0 and all(key.isprintable() for key in known) else None


def _decoded(token: bytes) -> str:
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return token.decode("latin-1")


def _collect(pairs: list[tuple[str, str]], file: str) -> Keywords:
    values: dict[str, str] = {}
    ambiguous = set()
    for key, value in pairs:
        if values.setdefault(key, value).strip() != value.strip():
            ambiguous.add(key)
    return Keywords(values, frozenset(ambiguous), file)
