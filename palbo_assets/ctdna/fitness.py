"""What only other samples tell of a plasma: another person's DNA, copies of its run's other libraries, its controls.

Foreign DNA adds alleles at its own share: a SNP that is homozygous in the other person shows at that share, a
heterozygous one at half of it. White cells of the patient don't hold such an allele, so it looks like the tumour's. An
allele up to the upper end of the share's interval is therefore nobody's; what lies above stands. Copies of another
library's molecules (`index_hopping`) are known one by one: the alleles that they make are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from palbo_assets.ctdna.index_hopping import EXPLAINED
from palbo_assets.ctdna.settings import Settings
from palbo_assets.genomics.plasma_fitness import allele_name
from palbo_assets.study.vocabulary import Qc

FOREIGN, EXPLAINS_ALL, CONTROLS = "foreign_dna", "foreign_dna_explains_alleles", "controls"
HOPPING = "index_hopping"
_WORST = (Qc.FAIL, Qc.WARN, Qc.PASS)


def fitness(
    contamination: Mapping[str, Any] | None,
    max_vaf: float | None,
    run: Mapping[str, Any] | None,
    settings: Settings,
    hopping: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Columns of ``ctdna_fitness`` for one plasma; what couldn't be told is listed in ``not_checked``, fails nothing.

    Parameters
    ----------
    contamination, run
        The plasma's rows of ``plasma_contamination`` and ``ctdna_run_qc``, nulls as None; None where there is none.
    max_vaf
        Largest fraction of a somatic allele in the plasma (``ctdna_burden``); None where none is present.
    hopping
        The plasma's rows of ``ctdna_index_hopping``; none where no other library holds more of an allele.
    """
    stated, of_run = contamination or {}, run or {}
    share, high = stated.get("contamination"), stated.get("contamination_high")
    verdict, explained, reasons = _of_foreign_dna(share, high, max_vaf, settings)
    controls = of_run.get("verdict")
    verdicts = [verdict, Qc(controls) if controls else Qc.PASS]
    if controls and controls != Qc.PASS:
        reasons = [*reasons, *(f"{CONTROLS}:{reason}" for reason in str(of_run["reasons"]).split(";"))]
    hopped = [allele_name(row["chrom"], row["pos"], row["ref"], row["alt"])
              for row in hopping if row["verdict"] == EXPLAINED]  # fmt: skip
    if hopped:
        verdicts, reasons = [*verdicts, Qc.WARN], [*reasons, HOPPING]
    told = bool(of_run.get("sequencing_run")) and all(row["verdict"] is not None for row in hopping)
    checked = ((FOREIGN, share is not None), (CONTROLS, controls is not None), (HOPPING, told))
    unknown = [name for name, is_known in checked if not is_known]
    return {
        "foreign_dna": share,
        "explained_vaf": explained,
        "hopped_alleles": ";".join(hopped) or None,
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
