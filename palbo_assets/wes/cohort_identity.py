"""From the tables of allele counts to the verdict on every sample: the frame side of `matching`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.wes import matching
from palbo_assets.wes.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

FAILED = (matching.SWAP, matching.UNEXPECTED, matching.NO_MATCH)
SEX_MISMATCH = "sex_mismatch"
_WHO = ["patient_id", "timepoint", "specimen_id", "source"]


def matched_rows(genotypes: pd.DataFrame, settings: Settings) -> list[dict[str, Any]]:
    """Rows of ``identity_matches`` from rows of ``snp_genotypes`` of any number of samples.

    The blood is counted beside each of the patient's tumours; once is enough.
    """
    from palbo_assets.wes.matching import Sample

    if genotypes.empty:
        return []
    blood = genotypes["source"] == "blood"
    repeated = genotypes[blood].duplicated(["patient_id", "specimen_id", "chrom", "pos", "alt"])
    kept = genotypes.drop(index=repeated[repeated].index)
    site = kept["chrom"].astype(str) + ":" + kept["pos"].astype(str) + kept["alt"].astype(str)
    sites, column = np.unique(site.to_numpy(dtype=str), return_inverse=True)
    groups = kept.groupby(_WHO, sort=True, observed=True)
    row = groups.ngroup().to_numpy()
    keys: list[Any] = list(groups.groups)
    samples = [Sample(*[str(part) for part in key]) for key in keys]
    shape = (len(samples), len(sites))
    alt, depth = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    alt[row, column] = kept["alt_count"].to_numpy(dtype=np.int64)
    depth[row, column] = kept["depth"].to_numpy(dtype=np.int64)
    stated = np.full(len(sites), np.nan)
    stated[column] = kept["frequency"].to_numpy(dtype=float, na_value=np.nan)
    sharp = np.array([sample.kind == matching.BLOOD for sample in samples])
    frequency = np.where(np.isnan(stated), matching.cohort_frequency(alt, depth, sharp), stated)
    of_rna = np.array([sample.kind == matching.RNA for sample in samples])
    likelihoods = matching.genotype_likelihoods(
        alt,
        depth,
        sharp,
        np.where(of_rna, settings.match_rna_misleading, 0.0),
        error=settings.match_error,
        error_spread=settings.match_error_spread,
        sharpness=settings.match_het_sharpness,
    )
    pairs = matching.compare_all(
        likelihoods, depth, frequency, min_depth=settings.match_min_depth, homozygous=settings.match_homozygous
    )
    verdicts = matching.judge(
        samples,
        pairs,
        min_sites=settings.match_min_sites,
        min_score=settings.match_min_score,
        min_concordance=settings.identity_fail,
        min_rna_concordance=settings.match_rna_concordance,
    )
    return [
        _row(index, samples, pairs, match)
        | {"correlation": _correlation(alt, depth, index, match.best, settings.match_min_depth)}
        for index, match in enumerate(verdicts)
    ]


def failures(identity_matches: pd.DataFrame, sex_concordance: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of ``identity_failures``: samples of another person by genotypes, and samples of the other sex.

    Where the blood is of another sex than the patient, so is every sample of the same person: all of them fail, because
    either they are another patient's or the record is wrong, and reads can't tell which. A patient's sample that isn't
    the blood's is judged by genotypes alone.
    """
    found = [row for row in identity_matches.to_dict("records") if row["verdict"] in FAILED]
    discordant = sex_concordance.loc[sex_concordance["agreement"] == "discordant"].to_dict("records")
    # Partners that only their sexes suggest change with every patient who is added: `sex_concordance` names them.
    partner = {one["patient_id"]: one["likely_partner"] for one in discordant if one["partner_by"] == "genotypes"}
    of_patients = {one["patient_id"] for one in discordant}
    accused = identity_matches[identity_matches["patient_id"].isin(of_patients)]
    for patient, own in accused.groupby("patient_id", sort=True):
        blood = own[own["source"] == matching.BLOOD]
        if blood["verdict"].isin(FAILED).any():
            continue  # genotypes say more: the blood alone is another's
        for row in own[own["verdict"] == matching.SELF].to_dict("records"):
            found.append({**row, "verdict": SEX_MISMATCH, "likely_partner": partner.get(str(patient))})
    columns = (*_WHO, "verdict", "likely_partner")
    rows = [{name: row[name] for name in columns} for row in found]
    return sorted(rows, key=lambda row: tuple(str(row[name]) for name in _WHO))


def _correlation(alt: np.ndarray, depth: np.ndarray, first: int, second: int | None, min_depth: int) -> float | None:
    """Pearson's r of two samples' alternative fractions (NGSCheckMate); None without spread."""
    if second is None:
        return None
    deep = (depth[first] >= min_depth) & (depth[second] >= min_depth)
    x, y = (alt[one, deep] / depth[one, deep] for one in (first, second))
    if len(x) < 3 or not x.std() or not y.std():
        return None
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def _row(index: int, samples: list[matching.Sample], pairs: matching.Pairs, match: matching.Match) -> dict[str, Any]:
    me, best = samples[index], match.best
    row: dict[str, Any] = {
        "patient_id": me.patient_id,
        "timepoint": me.timepoint,
        "specimen_id": me.specimen_id,
        "source": me.kind,
        "verdict": match.verdict,
        "likely_partner": match.likely_partner or None,
        "partner_specimen_id": None if match.partner is None else samples[match.partner].specimen_id,
        "n_compared": match.compared,
        "own_score": match.own_score,
        "margin": match.margin,
    }
    if best is not None:
        known = {"concordance": pairs.concordance[index, best], "relatedness": pairs.relatedness[index, best]}
        row |= {name: None if np.isnan(value) else float(value) for name, value in known.items()}
        row |= {
            "best_match": samples[best].specimen_id,
            "best_match_patient": samples[best].patient_id,
            "n_sites": int(pairs.n_sites[index, best]),
            "n_homozygous": int(pairs.n_homozygous[index, best]),
            "score": float(pairs.score[index, best]),
        }
    return row
