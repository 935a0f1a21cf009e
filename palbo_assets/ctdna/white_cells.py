"""Where an allele in plasma is from: the tumour, blood cells (clonal haematopoiesis) or the germline.

Most cell-free DNA is from white cells, so a clone of theirs shows in plasma like a tumour's. Only the patient's own
white cells tell: an allele that they hold isn't the tumour's. That they don't show it counts only where they were read
deep enough to show it at plasma's fraction; else the origin stays UNRESOLVED and nothing is dropped.
"""

from __future__ import annotations

from typing import NamedTuple

from palbo_assets.ctdna.power import detection_power
from palbo_assets.ctdna.settings import Settings
from palbo_assets.genomics.exact import binomial_at_least, fisher_greater
from palbo_assets.genomics.large_clone import large_clone

TUMOUR, CHIP, GERMLINE, UNRESOLVED = "TUMOUR", "CHIP", "GERMLINE", "UNRESOLVED"
ORIGINS = (TUMOUR, CHIP, GERMLINE, UNRESOLVED)
NO_WHITE_CELLS, SHALLOW, FREE = "no_white_cells", "white_cells_too_shallow", "white_cells_free_of_it"
IN_WHITE_CELLS, FAR_LESS, IN_TISSUE = "in_white_cells", "far_less_in_white_cells", "called_in_tissue"
LARGE_CLONE = "below_heterozygous_in_white_cells"


class Origin(NamedTuple):
    """Whence an allele is, why it is said, and the power that white cells had to show it."""

    origin: str
    reason: str
    power: float | None = None


BLOCKED = Origin(UNRESOLVED, "E_IDENTITY_MISMATCH")
"""Of an allele in a plasma that isn't the patient's: neither its white cells nor its tumour tell."""


def origin_of(
    plasma_alt: int, plasma_depth: int, white_alt: int | None, white_depth: int | None, settings: Settings,
    *, in_tissue: bool = False, chip_gene: bool = False,
) -> Origin:  # fmt: skip
    """Origin of one allele from its molecules in plasma and its fragments in white cells.

    Parameters
    ----------
    white_alt, white_depth
        Fragments of the patient's white cells; None where there are none or the allele can't be counted.
    in_tissue
        Whether it was called somatic in the patient's tumour tissue: decides where white cells can't.
    chip_gene
        Whether the gene is one of clonal haematopoiesis: there a large clone is no germline (`large_clone`).

    Source: Razavi 2019 (Nat Med) for matched white cells; thresholds in `Settings`.
    """
    undecided = Origin(TUMOUR, IN_TISSUE) if in_tissue else Origin(UNRESOLVED, NO_WHITE_CELLS)
    if white_alt is None or not white_depth or plasma_depth <= 0:
        return undecided
    white_vaf, plasma_vaf = white_alt / white_depth, plasma_alt / plasma_depth
    # Fewest fragments that errors of reads without barcodes don't explain.
    critical = next(
        count
        for count in range(1, white_depth + 2)
        if binomial_at_least(count, white_depth, settings.white_cell_error) < settings.white_cell_alpha
    )
    power = detection_power(white_depth, plasma_vaf, critical)
    if white_alt >= critical:
        clone = chip_gene and large_clone(
            white_alt, white_depth,
            heterozygous=settings.heterozygous_vaf,
            concentration=settings.heterozygous_concentration,
            alpha=settings.white_cell_alpha,
        )  # fmt: skip
        if clone:
            return Origin(CHIP, LARGE_CLONE, power)
        if white_vaf >= settings.germline_white_vaf:
            return Origin(GERMLINE, IN_WHITE_CELLS, power)
        differ = fisher_greater(plasma_alt, plasma_depth - plasma_alt, white_alt, white_depth - white_alt)
        if white_vaf >= settings.white_cell_ratio * plasma_vaf or differ > settings.white_cell_alpha:
            return Origin(CHIP, IN_WHITE_CELLS, power)
        return Origin(TUMOUR, FAR_LESS, power)
    if power >= settings.required_power:
        return Origin(TUMOUR, FREE, power)
    return Origin(TUMOUR, IN_TISSUE, power) if in_tissue else Origin(UNRESOLVED, SHALLOW, power)
