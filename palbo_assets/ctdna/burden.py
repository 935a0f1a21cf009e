"""How much tumour DNA the plasma holds, from its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import GENOME_EQUIVALENTS_PER_NG
from palbo_assets.study.vocabulary import OBSERVED, Absence, CallState, Qc

if TYPE_CHECKING:
    import pandas as pd


def haploid_equivalents_per_ml(vaf: float | None, cfdna_ng_per_ml: float | None) -> float | None:
    """Mutant haploid genome equivalents per mL plasma: VAF x ng/mL x 303 (3.3 pg each).

    Rising cfDNA from healthy cells dilutes the VAF but not this figure; read both.
    """
    if vaf is None or cfdna_ng_per_ml is None:
        return None
    return vaf * cfdna_ng_per_ml * GENOME_EQUIVALENTS_PER_NG


def tumour_fraction(max_vaf: float) -> float:
    """2 x the largest somatic VAF, at most 1: a clonal heterozygous variant in diploid tumour DNA.

    Loss of the other allele or amplification of the mutated one makes the figure too large.
    """
    return min(2.0 * max_vaf, 1.0)


def summarise(calls: pd.DataFrame, verdict: str | None) -> dict[str, Any]:
    """One plasma's row of ctdna_burden from its rows of ctdna_calls and its quality verdict.

    Alleles in genes of clonal haematopoiesis and in the germline band don't enter the fraction: without white blood
    cells on the same panel they can't be told from blood. When nothing was found the fraction is null, not 0.
    """
    states = calls["state"].value_counts()
    present = calls[calls["state"] == CallState.PRESENT]
    somatic = present[
        ~present["chip_gene"].astype(bool) & ~present["filter"].fillna("").str.contains("germline_band", regex=False)
    ]
    lods = calls.loc[calls["tracked"].astype(bool), "lod95_vaf"].dropna()
    row: dict[str, Any] = {
        "tumour_fraction": None,
        "max_vaf": None,
        "max_hge_per_ml": None,
        **{f"n_{state.lower()}": int(states.get(str(state), 0)) for state in CallState},
        "lod95_vaf_median": float(lods.median()) if len(lods) else None,
        "status": str(Absence.NOT_EVALUABLE),
    }
    if verdict == Qc.FAIL:
        return {**row, "status": str(Absence.QC_FAIL)}
    if somatic.empty:
        return row
    max_vaf = float(somatic["vaf"].max())
    equivalents = somatic["hge_per_ml"].dropna()
    return {
        **row,
        "tumour_fraction": tumour_fraction(max_vaf),
        "max_vaf": max_vaf,
        "max_hge_per_ml": float(equivalents.max()) if len(equivalents) else None,
        "status": OBSERVED,
    }
