"""What only other samples tell of a plasma: whether it holds another person's DNA, and its run's controls.

Foreign DNA adds alleles at its own share: a SNP that is homozygous in the other person shows at that share, a
heterozygous one at half of it. White cells of the patient don't hold such an allele, so it looks like the tumour's. An
allele up to the upper end of the share's interval is therefore nobody's; what lies above stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.study.vocabulary import Qc

FOREIGN, EXPLAINS_ALL, CONTROLS = "foreign_dna", "foreign_dna_explains_alleles", "controls"
_WORST = (Qc.FAIL, Qc.WARN, Qc.PASS)


def fitness(
    contamination: Mapping[str, Any] | None,
    max_vaf: float | None,
    run: Mapping[str, Any] | None,
    settings: Settings,
) -> dict[str, Any]:
    """Columns of ``ctdna_fitness`` for one plasma; what couldn't be told is listed in ``not_checked``, fails nothing.

    Parameters
    ----------
    contamination, run
        The plasma's rows of ``plasma_contamination`` and ``ctdna_run_qc``, nulls as None; None where there is none.
    max_vaf
        Largest fraction of a somatic allele in the plasma (``ctdna_burden``); None where none is present.
    """
    stated, of_run = contamination or {}, run or {}
    share, high = stated.get("contamination"), stated.get("contamination_high")
    verdict, explained, reasons = _of_foreign_dna(share, high, max_vaf, settings)
    controls = of_run.get("verdict")
    verdicts = [verdict, Qc(controls) if controls else Qc.PASS]
    if controls and controls != Qc.PASS:
        reasons = [*reasons, *(f"{CONTROLS}:{reason}" for reason in str(of_run["reasons"]).split(";"))]
    unknown = [name for name, value in ((FOREIGN, share), (CONTROLS, controls)) if value is None]
    return {
        "foreign_dna": share,
        "explained_vaf": explained,
        "sequencing_run": of_run.get("sequencing_run") or None,
        "verdict": str(next(one for one in _WORST if one in verdicts)),
        "reasons": ";".join(reasons),
        "not_checked": ";".join(unknown),
    }


def _of_foreign_dna(
    share: float | None, high: float | None, max_vaf: float | None, settings: Settings
) -> tuple[Qc, float | None, list[str]]:
    """(verdict, explained_vaf, reasons).

    Above ``foreign_dna_warn`` alleles up to ``explained_vaf`` aren't evaluable, and where the largest one is among them
    the plasma says nothing of a tumour; above ``foreign_dna_fail`` nothing is evaluable.
    """
    if share is None or share <= settings.foreign_dna_warn:
        return Qc.PASS, None, []
    explained = max(share, high if high is not None else share)
    if max_vaf is not None and max_vaf <= explained:
        return Qc.FAIL, explained, [FOREIGN, EXPLAINS_ALL]
    return Qc.FAIL if share > settings.foreign_dna_fail else Qc.WARN, explained, [FOREIGN]
