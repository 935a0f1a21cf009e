"""What was stained: whole blood, or mononuclear cells (PBMC), which have lost the granulocytes."""

from __future__ import annotations

import re

WHOLE_BLOOD = "whole_blood"
PBMC = "pbmc"
_PBMC = re.compile(r"(?<![A-Z0-9])(PBMCS?|MONONUCLEAR)(?![A-Z0-9])", re.IGNORECASE)


def preparation_of(sample_name: str) -> str:
    """`PBMC` where the manifest's ``sample_name`` of the tube says so, else `WHOLE_BLOOD`, which the protocol plans."""
    return PBMC if _PBMC.search(sample_name) else WHOLE_BLOOD
