"""Lines of the text files that labs send: plain, gzip or BGZF, with every damage named by its line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from palbo_assets.platform.errors import InputError

LARGEST_TEXT_BYTES = 4 * 1024**3


def text_lines(path: Path, *, whole_lines: bool = False) -> Iterator[tuple[int, str]]:
    """(line number, line without its end) of a plain, gzip or BGZF text file.

    With ``whole_lines`` a last line without its end is taken as cut: half a record can look like a whole one.

    Raises
    ------
    InputError
        ``E_EMPTY``, ``E_TRUNCATED``, ``E_ENCODING`` or ``E_TOO_BIG``.
    """
    if path.stat().st_size == 0:
        raise InputError("E_EMPTY", "the file is empty", file=path.name, fix="export it again")
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    number, size, last = 0, 0, b"\n"
    try:
        with gzip.open(path) if packed else path.open("rb") as lines:
            for number, last in enumerate(lines, start=1):
                size += len(last)
                if size > LARGEST_TEXT_BYTES:
                    raise InputError(
                        "E_TOO_BIG", "the text is larger than any call set", file=path.name, fix="deliver calls only"
                    )
                yield number, last.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            "E_ENCODING", "the text is not UTF-8", file=path.name, row=number, fix="save as UTF-8"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(
            "E_TRUNCATED",
            "the compressed text ends early or is damaged",
            file=path.name,
            row=number,
            fix="send it again",
        ) from None
    if whole_lines and not last.endswith(b"\n"):
        raise InputError("E_TRUNCATED", "the last line is cut", file=path.name, row=number, fix="send it again")
