"""Which column of a caller's file is the tumour: by the manifest, header lines or names, never by order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from palbo_assets.platform.errors import InputError

_NORMAL = re.compile(r"normal|blood|germline|pbmc|buffy|control|wildtype|-N\Z|_N\Z", re.IGNORECASE)
_TUMOUR = re.compile(r"tumou?r|primary|metasta|mutant|-T\Z|_T\Z", re.IGNORECASE)
_NAMELESS = frozenset({"TUMOR", "TUMOUR", "PRIMARY"})
_SAMPLE_LINE = re.compile(r"##SAMPLE=<ID=([^,>]+).*?[,<]SampleName=\"?([^,>\"]+)")


class Roles(NamedTuple):
    """Names of the tumour's and the normal's column; empty where there is none."""

    tumour: str = ""
    normal: str = ""

    def contradicts(self, sample_name: str, header: Sequence[str]) -> bool:
        """Whether the file says that its tumour is another sample; a column named TUMOR says nothing."""
        if not sample_name or not self.tumour or self.tumour.upper() in _NAMELESS:
            stated = {name for column, name in _named(header).items() if column == self.tumour}
            return bool(sample_name and stated and sample_name not in stated)
        return sample_name not in (self.tumour, _named(header).get(self.tumour))


def _named(header: Sequence[str]) -> dict[str, str]:
    """Column -> sample's own name from ``##SAMPLE=<ID=TUMOUR,..,SampleName=..>`` (CaVEMan)."""
    return {found[1]: found[2] for line in header if (found := _SAMPLE_LINE.match(line))}


def _from_header(header: Sequence[str], which: str) -> list[str]:
    """Names that ``##tumor_sample=`` (Mutect2) and ``tumor_sample_name=`` in ``##MuTect`` (Mutect 1) give."""
    names = []
    for line in header:
        if line.startswith(f"##{which}_sample="):
            names.append(line.partition("=")[2].strip())
        elif line.startswith("##MuTect"):
            names += re.findall(rf"\b{which}_sample_name=([^\s\"]+)", line)
    return names


def sample_roles(
    path: Path, header: Sequence[str], samples: Sequence[str], tumour: str = "", normal: str = ""
) -> Roles:
    """Tell the columns ``samples`` apart; ``tumour`` and ``normal`` are names that somebody stated, and come first.

    Raises
    ------
    InputError
        ``E_SAMPLE_MISMATCH`` when nothing tells which one is the tumour.
    """
    if not samples:
        return Roles()
    by_name = {name: column for column, name in _named(header).items()}

    def column(stated: str, which: str) -> str:
        for name in (stated, by_name.get(stated, ""), *_from_header(header, which)):
            if name in samples:
                return name
        return ""

    of_tumour, of_normal = column(tumour, "tumor"), column(normal, "normal")
    if not of_tumour and len(samples) == 1:
        return Roles(samples[0])
    if not of_tumour:
        marked = [name for name in samples if _TUMOUR.search(name) and not _NORMAL.search(name)]
        unmarked = [name for name in samples if name != of_normal and not _NORMAL.search(name)]
        likely = marked if len(marked) == 1 else unmarked
        of_tumour = likely[0] if len(likely) == 1 else ""
    if not of_tumour:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "which sample is the tumour can't be told",
            file=path.name,
            fix="name the tumour's sample in the manifest's sample_name, or keep the ##tumor_sample line",
        )
    if not of_normal:
        others = [name for name in samples if name != of_tumour]
        of_normal = others[0] if len(others) == 1 else ""
    return Roles(of_tumour, of_normal)
