"""What a section went through before it was read, and which cells were read: as far as the scoring table says so.

Acid that softens bone takes antigens away (Schrijver 2016, Modern Pathology 29:1460), and so does the age of a block or
of a cut section. A score of invasive tumour counts no duct in situ and no normal gland. None of this shows in a
percentage, so a table may say it in columns of its own; what it doesn't say isn't known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palbo_assets.histology.settings import SectionSettings

INVASIVE, WITH_IN_SITU, ALL_EPITHELIUM = "invasive", "invasive and in situ", "all epithelium"
COUNTED = (INVASIVE, WITH_IN_SITU, ALL_EPITHELIUM)
"""Which epithelial cells were counted, as the column ``counted`` may say."""
FLAGS = ("decalcified", "necrosis")
AGES = ("block_years", "section_days")
COLUMNS = (*FLAGS, *AGES, "counted")
DECALCIFIED, NECROSIS, OLD_BLOCK, OLD_SECTION = "decalcified", "necrosis", "old_block", "old_section"
REMARKS = (DECALCIFIED, NECROSIS, OLD_BLOCK, OLD_SECTION)


def remarks(readings: Sequence[Mapping[str, Any]], settings: SectionSettings) -> str | None:
    """Codes of `REMARKS` that hold for any reading of a specimen, ';'-joined; None where none does or nothing is said.

    Parameters
    ----------
    readings
        Rows of ``ihc_scores`` (`COLUMNS`), nulls as None.
    """

    def largest(name: str) -> float:
        return max((float(line[name]) for line in readings if line[name] is not None), default=0.0)

    held = {
        DECALCIFIED: any(line["decalcified"] for line in readings),
        NECROSIS: any(line["necrosis"] for line in readings),
        OLD_BLOCK: largest("block_years") > settings.block_years,
        OLD_SECTION: largest("section_days") > settings.section_days,
    }
    return ";".join(code for code in REMARKS if held[code]) or None


def unusable(readings: Sequence[Mapping[str, Any]], settings: SectionSettings, *, of_tumour_cells: bool) -> str | None:
    """Why nothing can be said of the specimen; None where it can.

    ``of_tumour_cells``: the reading is of tumour cells, so that it matters which were counted.
    """
    if any(line["decalcified"] for line in readings) and not settings.accept_decalcified:
        return "the bone was decalcified, which takes antigens away"
    if of_tumour_cells and any(line["counted"] not in (None, INVASIVE) for line in readings):
        return "cells other than invasive tumour were counted"
    return None
