"""FPKM, RPKM and CPM are neither TPM nor reads: told by the name of a column, or by what stands beside it.

TPM divide reads by length and then by the sum of these rates (Wagner 2012, doi:10.1007/s12064-012-0162-3). FPKM divide
by the sum of the reads instead, so they don't sum to a million; CPM do sum to it and leave lengths out. Both are
therefore told beside the reads (or TPM) of the same genes: FPKM are TPM times a constant, CPM are reads times a
constant, and TPM and reads of one sample never are, unless all genes have one length. Reads that stand alone are told
by whole numbers: tools that share reads out still give whole ones to many genes, and no unit of abundance does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.rnaseq.settings import Settings

if TYPE_CHECKING:
    import numpy as np

OTHER_UNITS = ("FPKM", "RPKM", "CPM")
FIX = "deliver the table as the quantifier wrote it, with reads and TPM"


def refuse_other_units_by_name(header: list[str], path: Path, row: int) -> None:
    """Raises ``E_SCHEMA`` where a column of a table that no quantifier wrote is called FPKM, RPKM or CPM."""
    for unit in OTHER_UNITS:
        if any(name.strip().upper() == unit for name in header):
            raise InputError(
                "E_SCHEMA", f"the table gives {unit} and neither reads nor TPM", file=path.name, row=row, fix=FIX
            )


def refuse_other_units(
    tpm: np.ndarray, counts: np.ndarray, lengths: np.ndarray, settings: Settings, *, path: Path, column: str
) -> None:
    """Raises ``E_SCHEMA`` where a column of TPM holds FPKM or CPM of the reads beside it; ``lengths`` in bases.

    Features of one length have the same CPM and TPM, and nothing is refused.
    """
    import numpy as np

    told = (counts > 0) & (lengths > 0)
    if not told.any():
        return
    reads, rates = counts.sum(), counts[told] / lengths[told]

    def equal(expected: np.ndarray) -> bool:
        return bool(np.allclose(tpm[told], expected, rtol=settings.unit_tolerance, atol=settings.unit_rounding_tpm))

    if equal(rates / rates.sum() * 1e6):
        return
    for unit, expected in (("FPKM", rates / reads * 1e9), ("CPM", counts[told] / reads * 1e6)):
        if equal(expected):
            raise InputError(
                "E_SCHEMA",
                f"the column of TPM holds {unit}, as the reads and lengths beside it show",
                file=path.name,
                column=column,
                fix=FIX,
            )


def refuse_normalised_reads(reads: np.ndarray, settings: Settings, *, path: Path) -> None:
    """Raises ``E_SCHEMA`` where a column of reads (any order, 0 for none) holds hardly a whole number.

    Not judged with fewer than ``unit_genes_min`` expressed genes. Values that were rounded to whole ones pass.
    """
    import numpy as np

    expressed = reads[reads > 0]
    if len(expressed) < settings.unit_genes_min or np.mean(expressed % 1 == 0) >= settings.whole_reads_min:
        return
    raise InputError(
        "E_SCHEMA",
        "the column holds no reads: hardly any value is a whole number (FPKM, CPM, scaled or normalised counts)",
        file=path.name,
        column="sample_name",
        fix="deliver the matrix of counts as the quantifier gave them (nf-core: gene_counts.tsv, not the scaled ones)",
    )


def refuse_one_unit_for_two(reads: np.ndarray, tpm: np.ndarray, settings: Settings, *, file: str) -> None:
    """Raises ``E_SCHEMA`` where reads and TPM of the same genes differ by a constant: then one is another unit.

    Parameters
    ----------
    reads, tpm
        (genes,), the same genes in the same order.
    """
    import numpy as np

    both = (reads > 0) & (tpm > 0)
    if both.sum() < settings.unit_genes_min:
        return
    ratio = float(np.median(tpm[both] / reads[both]))
    printed = settings.unit_rounding_tpm * (1 + ratio)  # the last digit of either
    alike = np.abs(tpm[both] - ratio * reads[both]) <= settings.unit_tolerance * tpm[both] + printed
    if np.mean(alike) < settings.unit_alike_min:
        return
    raise InputError(
        "E_SCHEMA",
        "the matrix of reads and the matrix of TPM differ by one constant, so TPM are CPM or reads are FPKM",
        file=file,
        fix="deliver both matrices as the pipeline wrote them, reads as gene_counts and TPM as gene_tpm",
    )
