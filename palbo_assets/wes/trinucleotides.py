"""The 96 classes of single-base substitutions, read on the pyrimidine's strand (Alexandrov 2013)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np

COMPLEMENT = str.maketrans("ACGT", "TGCA")
CHANGES = ("C>A", "C>G", "C>T", "T>A", "T>C", "T>G")
CLASSES = tuple(f"{left}[{change}]{right}" for change in CHANGES for left in "ACGT" for right in "ACGT")
INDEX = {name: at for at, name in enumerate(CLASSES)}
Fetch = Callable[[str, int, int], str]
Substitution = tuple[str, int, str, str]


def sbs_class(context: str, alt: str) -> str | None:
    """Class such as ``A[C>T]G`` of a substitution in the middle of three bases; None where a base isn't ACGT."""
    context, alt = context.upper(), alt.upper()
    if len(context) != 3 or len(alt) != 1 or set(context + alt) - set("ACGT") or context[1] == alt:
        return None
    if context[1] in "AG":
        context, alt = context.translate(COMPLEMENT)[::-1], alt.translate(COMPLEMENT)
    return f"{context[0]}[{context[1]}>{alt}]{context[2]}"


def spectrum(variants: Iterable[Substitution], fetch: Fetch) -> np.ndarray:
    """Counts (96, int64, as ``CLASSES``) of (contig, 1-based position, ref, alt); others than SNVs are left out.

    ``fetch(contig, start, end)`` gives bases, 0-based and half open, as ``pysam.FastaFile.fetch`` does. InputError
    ``E_BUILD_MISMATCH`` when a reference base isn't the genome's: a wrong build or a position off by one.
    """
    import numpy as np

    counts = np.zeros(len(CLASSES), dtype=np.int64)
    for contig, position, ref, alt in variants:
        if len(ref) != 1 or len(alt) != 1 or {ref.upper(), alt.upper()} - set("ACGT"):
            continue
        context = fetch(contig, max(position - 2, 0), position + 1).upper()
        at = min(position - 1, 1)
        if position < 1 or at >= len(context) or context[at] != ref.upper():
            raise InputError(
                "E_BUILD_MISMATCH",
                "A variant's reference base isn't the genome's.",
                fix="Use the genome that the variants were called on.",
            )
        name = sbs_class(context, alt)
        if name is not None:
            counts[INDEX[name]] += 1
    return counts
