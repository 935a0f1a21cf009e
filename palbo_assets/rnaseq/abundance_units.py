"""FPKM, RPKM and CPM are no TPM: told by the name of a column, or by the reads and lengths beside it.

TPM divide reads by length and then by the sum of these rates (Wagner 2012, doi:10.1007/s12064-012-0162-3). FPKM divide
by the sum of the reads instead, so they don't sum to a million; CPM do sum to it and leave lengths out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    import numpy as np

OTHER_UNITS = ("FPKM", "RPKM", "CPM")
# RSEM prints two decimals; units differ by far more than 1 % in nearly every row.
RELATIVE, ABSOLUTE = 0.01, 0.01
FIX = "deliver the table as the quantifier wrote it, with reads and TPM"


def refuse_other_units_by_name(header: list[str], path: Path, row: int) -> None:
    """Raises ``E_SCHEMA`` where a column of a table that no quantifier wrote is called FPKM, RPKM or CPM."""
    for unit in OTHER_UNITS:
        if any(name.strip().upper() == unit for name in header):
            raise InputError(
                "E_SCHEMA", f"the table gives {unit} and neither reads nor TPM", file=path.name, row=row, fix=FIX
            )


def refuse_other_units(tpm: np.ndarray, counts: np.ndarray, lengths: np.ndarray, *, path: Path, column: str) -> None:
    """Raises ``E_SCHEMA`` where a column of TPM holds FPKM or CPM of the reads beside it; ``lengths`` in bases.

    Features of one length have the same CPM and TPM, and nothing is refused.
    """
    import numpy as np

    told = (counts > 0) & (lengths > 0)
    if not told.any():
        return
    reads, rates = counts.sum(), counts[told] / lengths[told]

    def equal(expected: np.ndarray) -> bool:
        return bool(np.allclose(tpm[told], expected, rtol=RELATIVE, atol=ABSOLUTE))

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
