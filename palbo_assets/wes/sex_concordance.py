"""The recorded sex against the sex that the blood's reads show, for every patient.

Men have breast cancer too: nothing is assumed where nothing is recorded. A swap of everything of two patients can't be
seen by genotypes, because all samples of an id still agree; their sexes may show it. Whose samples they seem to be is
taken from genotypes where these name somebody, else from the patients who disagree the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.wes import matching
from palbo_assets.wes.sex import FEMALE, MALE, NOT_EVALUABLE, UNCLEAR, Heterozygosity, by_heterozygosity, on_x

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.wes.settings import Settings

CONCORDANT, DISCORDANT = "concordant", "discordant"
BY_GENOTYPES, BY_OPPOSITE_SEX = "genotypes", "opposite_sex"
_DEFINITE = (FEMALE, MALE)


def sex_rows(
    patients: pd.DataFrame,
    read_qc: pd.DataFrame,
    snp_genotypes: pd.DataFrame,
    identity_matches: pd.DataFrame,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Rows of ``sex_concordance``: one a patient whose blood was sequenced.

    Parameters
    ----------
    patients
        Rows of the clinical table; ``sex`` as recorded.
    read_qc, snp_genotypes, identity_matches
        The room's tables, of any number of patients.
    """
    recorded = {
        row.patient_id: str(row.sex).strip().lower()
        for row in patients[["patient_id", "sex"]].dropna().itertuples(index=False)
    }
    by_alleles = _heterozygosity(snp_genotypes, settings)
    rows = []
    for patient, own in read_qc[read_qc["normal_mean_depth"].notna()].groupby("patient_id", sort=True):
        # Every tumour's row repeats what the patient's blood shows; two bloods may differ.
        depth_sexes = sorted(set(own["sex"].dropna()))
        by_depth = depth_sexes[0] if len(depth_sexes) == 1 else UNCLEAR if depth_sexes else NOT_EVALUABLE
        first = own.iloc[0]
        x = by_alleles.get(str(patient), Heterozygosity(NOT_EVALUABLE, 0, 0))
        of_reads, reason = _of_both(by_depth, x.sex)
        stated = recorded.get(str(patient))
        agreement = NOT_EVALUABLE
        if stated not in _DEFINITE:
            reason = reason or "SEX_NOT_RECORDED"
        elif of_reads in _DEFINITE:
            agreement = CONCORDANT if stated == of_reads else DISCORDANT
        rows.append(
            {
                "patient_id": patient,
                "recorded_sex": stated if stated in _DEFINITE else None,
                "reads_sex": of_reads,
                "depth_sex": by_depth,
                "x_ratio": first["x_ratio"],
                "y_ratio": first["y_ratio"],
                "heterozygosity_sex": x.sex,
                "x_snps": x.n_sites,
                "x_heterozygous": x.n_heterozygous,
                "x_score": x.score,
                "agreement": agreement,
                "reason": reason,
            }
        )
    _name_partners(rows, identity_matches)
    return rows


def _heterozygosity(snp_genotypes: pd.DataFrame, settings: Settings) -> dict[str, Heterozygosity]:
    blood = snp_genotypes[snp_genotypes["source"] == matching.BLOOD]
    blood = blood[on_x(blood["chrom"].tolist(), blood["pos"].tolist())]
    blood = blood.drop_duplicates(["patient_id", "specimen_id", "chrom", "pos", "alt"])
    found = {}
    for patient, own in blood.groupby("patient_id", sort=True):
        frequency = own["frequency"].to_numpy(dtype=float, na_value=np.nan)
        found[str(patient)] = by_heterozygosity(
            own["alt_count"].to_numpy(dtype=float),
            own["depth"].to_numpy(dtype=float),
            np.where(np.isnan(frequency), settings.snp_frequency, frequency),
            min_depth=settings.snp_min_depth,
            edge=settings.snp_homozygous_vaf,
            error=settings.sex_x_error,
            min_score=settings.sex_x_score,
        )
    return found


def _of_both(by_depth: str, by_alleles: str) -> tuple[str, str]:
    """(sex, reason). Two X and a Y (Klinefelter), one X alone, and a mixture of two people are no definite sex."""
    definite = {one for one in (by_depth, by_alleles) if one in _DEFINITE}
    if len(definite) == 2:
        return UNCLEAR, "WITNESSES_DISAGREE"
    if UNCLEAR in (by_depth, by_alleles):
        return UNCLEAR, "UNCLEAR"
    if not definite:
        return NOT_EVALUABLE, "TOO_LITTLE_OF_X"
    return definite.pop(), ""


def _name_partners(rows: list[dict[str, Any]], identity_matches: pd.DataFrame) -> None:
    """Whose samples those of a discordant patient seem to be, and what that rests on."""
    bloods = identity_matches[identity_matches["source"] == matching.BLOOD]
    told = {
        row["patient_id"]: (row["verdict"], row["likely_partner"])
        for row in bloods.to_dict("records")
        if row["verdict"] in (matching.SWAP, matching.UNEXPECTED)
    }
    sides = {row["patient_id"]: (row["recorded_sex"], row["reads_sex"]) for row in rows}
    disagree = [row for row in rows if row["agreement"] == DISCORDANT]
    for row in disagree:
        partner = told.get(row["patient_id"], ("", None))[1]
        if isinstance(partner, str) and partner:
            row |= {"likely_partner": partner, "partner_by": BY_GENOTYPES, "reason": "BLOOD_IS_ANOTHER_PERSONS"}
            continue
        reverse = (row["reads_sex"], row["recorded_sex"])
        others = [one["patient_id"] for one in disagree if sides[one["patient_id"]] == reverse]
        row["reason"] = "RECORD_OR_ALL_SAMPLES"
        if others:
            row |= {"likely_partner": ";".join(others), "partner_by": BY_OPPOSITE_SEX}
