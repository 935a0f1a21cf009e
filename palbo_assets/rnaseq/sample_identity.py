"""Whether an expression profile is of the person and the tissue that the study says.

XIST is expressed with two X chromosomes, RPS4Y1 with a Y. Tumours lose XIST, so its absence says nothing; a Y gene in a
woman, or XIST without any Y gene in a man, means another person or a mixture. Nothing here changes a measurement: the
verdict decides which specimens are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palbo_assets.rnaseq.settings import Settings
from palbo_assets.study.vocabulary import Qc

FEMALE, MALE = "female", "male"
CONCORDANT, DISCORDANT, UNKNOWN = "concordant", "discordant", "not_evaluable"
LIVER = ("liver", "hepat")


def expressed_sex(xist_tpm: float | None, rps4y1_tpm: float | None, limit: float) -> str:
    """female, male, mixed, or empty text where neither gene says anything."""
    x = xist_tpm is not None and xist_tpm > limit
    y = rps4y1_tpm is not None and rps4y1_tpm > limit
    if x and y:
        return "mixed"
    return FEMALE if x else MALE if y else ""


def judge(
    quality: Mapping[Any, Any],
    sex: str,
    anatomic_site: str,
    correlation: float | None,
    settings: Settings,
    *,
    another_persons: bool = False,
) -> dict[str, Any]:
    """One row of ``rna_identity`` from a row of ``rna_qc``, the recorded sex and the recorded site of the biopsy.

    Empty text means not recorded; ``correlation`` is the median with the other specimens, None where it isn't known.
    ``another_persons``: its alleles at common SNPs aren't the patient's. ``verdict`` is fail then, when the sex differs
    or the profile is unlike the cohort's, warn when liver genes don't suit the site or fill a biopsy of the liver, else
    pass; null when nothing could be judged.
    """
    recorded = sex.strip().lower()
    recorded = FEMALE if recorded in ("f", FEMALE) else MALE if recorded in ("m", MALE) else ""
    found = expressed_sex(quality["xist_tpm"], quality["rps4y1_tpm"], settings.sex_gene_tpm)
    reasons, verdicts = [], []
    sex_state = UNKNOWN
    if another_persons:
        verdicts.append(Qc.FAIL)
        reasons.append("ANOTHER_PERSON")
    if recorded and found:
        sex_state = CONCORDANT if found == recorded else DISCORDANT
        verdicts.append(Qc.PASS if found == recorded else Qc.FAIL)
        if found != recorded:
            reasons.append("SEX_MISMATCH")
    share = quality["hepatocyte_share"]
    in_liver = any(word in anatomic_site.lower() for word in LIVER)
    if share is not None and anatomic_site:
        high = share > settings.hepatocyte_share_max
        verdicts.append(Qc.WARN if high else Qc.PASS)
        if high:
            reasons.append("HEPATOCYTES_IN_THE_BIOPSY" if in_liver else "LIVER_GENES_AT_ANOTHER_SITE")
    if correlation is not None:
        unlike = correlation < settings.median_correlation_min
        verdicts.append(Qc.FAIL if unlike else Qc.PASS)
        if unlike:
            reasons.append("UNLIKE_THE_COHORT")
    worst = max(verdicts, key=[Qc.PASS, Qc.WARN, Qc.FAIL].index, default=None)
    return {
        "recorded_sex": recorded or None,
        "expressed_sex": found or None,
        "sex": sex_state,
        "anatomic_site": anatomic_site or None,
        "hepatocyte_share": share,
        "median_correlation": correlation,
        "verdict": None if worst is None else str(worst),
        "reasons": "; ".join(reasons),
    }
