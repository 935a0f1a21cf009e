"""What only other samples tell of a plasma: whether it holds another person's DNA.

Foreign DNA adds alleles at its own share: a SNP that is homozygous in the other person shows at that share, a
heterozygous one at half of it. White cells of the patient don't hold such an allele, so it looks like the tumour's. An
allele up to the upper end of the share's interval is therefore nobody's; what lies above stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.study.vocabulary import Qc

FOREIGN, EXPLAINS_ALL = "foreign_dna", "foreign_dna_explains_alleles"


def fitness(contamination: Mapping[str, Any] | None, max_vaf: float | None, settings: Settings) -> dict[str, Any]:
    """Columns of ``ctdna_fitness`` for one plasma.

    Parameters
    ----------
    contamination
        The plasma's row of ``plasma_contamination``, nulls as None; None where there is none.
    max_vaf
        Largest fraction of a somatic allele in the plasma (``ctdna_burden``); None where none is present.

    A share that couldn't be estimated is listed in ``not_checked`` and fails nothing. Above ``foreign_dna_warn``
    alleles up to ``explained_vaf`` aren't evaluable, and where the largest one is among them the plasma says nothing of
    a tumour; above ``foreign_dna_fail`` nothing is evaluable.
    """
    stated = contamination or {}
    share, high = stated.get("contamination"), stated.get("contamination_high")
    row: dict[str, Any] = {"foreign_dna": share, "explained_vaf": None}
    if share is None:
        return row | {"verdict": str(Qc.PASS), "reasons": "", "not_checked": FOREIGN}
    if share <= settings.foreign_dna_warn:
        return row | {"verdict": str(Qc.PASS), "reasons": "", "not_checked": ""}
    explained = max(share, high if high is not None else share)
    reasons, verdict = [FOREIGN], Qc.FAIL if share > settings.foreign_dna_fail else Qc.WARN
    if max_vaf is not None and max_vaf <= explained:
        reasons, verdict = [FOREIGN, EXPLAINS_ALL], Qc.FAIL
    return row | {
        "explained_vaf": explained, "verdict": str(verdict), "reasons": ";".join(reasons), "not_checked": "",
    }  # fmt: skip
