"""Writes FCS files of every kind the standard knows, value by value: slow, plain, and unlike the reader."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence


def fcs(
    events: Sequence[Sequence[float]],
    *,
    kind: str = "F",
    bits: Sequence[int] | None = None,
    byte_order: Sequence[int] = (1, 2, 3, 4),
    version: str = "FCS3.1",
    delimiter: str = "/",
    more: Mapping[str, str] | None = None,
    supplement: Mapping[str, str] | None = None,
    large: bool = False,
    tail: bytes = b"00000000",
) -> bytes:
    """Content of a file; ``large`` states the data's offsets in TEXT alone, as files beyond 99,999,999 bytes do."""
    channels = len(events[0])
    widths = list(bits or [{"F": 32, "D": 64}.get(kind, 16)] * channels)
    keywords = {
        "$PAR": str(channels),
        "$TOT": str(len(events)),
        "$MODE": "L",
        "$DATATYPE": kind,
        "$BYTEORD": ",".join(map(str, byte_order)),
        "$NEXTDATA": "0",
    }
    for number, width in enumerate(widths, start=1):
        keywords |= {f"$P{number}N": f"C{number}", f"$P{number}B": str(width), f"$P{number}E": "0,0"}
        keywords |= {f"$P{number}R": str(2**width if kind == "I" else 262144)}
    keywords |= more or {}
    data = _data(events, kind, widths, byte_order)
    extra = _text(supplement, delimiter) if supplement else b""
    for _ in range(3):  # offsets are part of the text whose length they depend on
        length = len(_text(keywords, delimiter))
        start = 58 + length
        begin = start + len(extra)
        keywords |= {"$BEGINDATA": f"{begin:>12}", "$ENDDATA": f"{begin + len(data) - 1:>12}"}
        keywords |= {"$BEGINSTEXT": f"{start if extra else 0:>8}", "$ENDSTEXT": f"{begin - 1 if extra else 0:>8}"}
        keywords |= {key: value for key, value in (more or {}).items() if key in keywords}
    header = f"{version}    {58:8d}{start - 1:8d}"
    header += f"{0:8d}{0:8d}" if large else f"{begin:8d}{begin + len(data) - 1:8d}"
    return f"{header}{0:8d}{0:8d}".encode() + _text(keywords, delimiter) + extra + data + tail


def _text(keywords: Mapping[str, str], delimiter: str) -> bytes:
    doubled = [part.replace(delimiter, delimiter * 2) for pair in keywords.items() for part in pair]
    return (delimiter + delimiter.join(doubled) + delimiter).encode()


def _data(events: Sequence[Sequence[float]], kind: str, widths: Sequence[int], byte_order: Sequence[int]) -> bytes:
    ascending = list(byte_order) == sorted(byte_order)
    descending = list(byte_order) == sorted(byte_order, reverse=True)
    if kind == "I" and any(width % 8 for width in widths):
        stream, at = 0, 0
        text = ""
        for event in events:
            for value, width in zip(event, widths, strict=True):
                stream |= int(value) << at
                at += width
                text += f"{int(value):0{width}b}"
        return (
            stream.to_bytes(-(-at // 8), "little")
            if ascending
            else int(text.ljust(-(-at // 8) * 8, "0"), 2).to_bytes(-(-at // 8), "big")
        )
    out = bytearray()
    for event in events:
        for value, width in zip(event, widths, strict=True):
            code = int(value).to_bytes(width // 8, "little") if kind == "I" else struct.pack(f"<{kind.lower()}", value)
            if ascending or descending:
                out += code if ascending else code[::-1]
            else:
                out += bytes(code[significance - 1] for significance in byte_order)
    return bytes(out)
