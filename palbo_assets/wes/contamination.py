"""How much of a sample is somebody else's DNA? From allele counts at common SNPs.

At a SNP where the person is homozygous, the other allele comes from sequencing errors and from foreign DNA. A foreign
person of the population carries it with its frequency f there, so of a share c of foreign DNA a share c*f of the
fragments shows it. Where the person is homozygous is taken from the patient's blood for a tumour (as GATK's
CalculateContamination takes it from the normal; loss of heterozygosity can't mislead then), and from the sample itself
for the blood. c is the maximum of the likelihood (as in VerifyBamID), its interval the profile's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.study.vocabulary import Qc
from palbo_assets.wes.allele_table import Counts, counts_of

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.wes.settings import Settings

FROM_NORMAL, FROM_SELF, NOT_EVALUABLE = "normal_homozygous", "own_homozygous", "not_evaluable"
_CHI2_95 = 3.841458820694124  # 95 % quantile of chi-squared with one degree of freedom
_LARGEST = 0.5


@dataclass(frozen=True)
class Contamination:
    """``fraction`` of foreign DNA with its 95 % interval, from ``n_sites`` homozygous SNPs; None below the limit."""

    method: str
    n_sites: int
    fraction: float | None = None
    low: float | None = None
    high: float | None = None


def homozygous_sites(
    alt: np.ndarray, depth: np.ndarray, *, min_depth: int, edge: float
) -> tuple[np.ndarray, np.ndarray]:
    """(homozygous for the reference, homozygous for the alternative), bool: minor allele at most ``edge``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(depth >= min_depth, alt / depth, np.nan)
    return fraction <= edge, fraction >= 1 - edge


def estimate(
    alt: np.ndarray,
    depth: np.ndarray,
    is_ref: np.ndarray,
    is_alt: np.ndarray,
    frequency: np.ndarray,
    *,
    method: str,
    error: float,
    min_sites: int,
) -> Contamination:
    """Share of foreign DNA.

    Parameters
    ----------
    alt, depth
        (s,) fragments of the sample.
    is_ref, is_alt
        (s,) bool: where its person is homozygous.
    frequency
        (s,) alternative allele frequency in the population.
    error
        Probability that a fragment shows the other of the two alleles by error.

    The foreign person is taken as a draw from the population: summed over the three genotypes at each SNP, which at
    few SNPs is wider and truer than the mean c*f.
    """
    use = (is_ref | is_alt) & (depth > 0)
    n_sites = int(use.sum())
    if n_sites < min_sites:
        return Contamination(NOT_EVALUABLE, n_sites)
    foreign = np.where(is_ref, alt, depth - alt)[use].astype(float)
    total = depth[use].astype(float)
    share = np.where(is_ref, frequency, 1 - frequency)[use]
    prior = np.stack([(1 - share) ** 2, 2 * share * (1 - share), share**2])
    # Steps of 0.01 % where it matters, growing beyond.
    grid = np.concatenate([np.arange(0, 0.05, 1e-4), np.arange(0.05, _LARGEST + 1e-9, 1e-3)])
    likelihood = np.array([_log_likelihood(c, foreign, total, prior, error) for c in grid])
    best = int(likelihood.argmax())
    inside = grid[2 * (likelihood[best] - likelihood) <= _CHI2_95]
    return Contamination(method, n_sites, float(grid[best]), float(inside[0]), float(inside[-1]))


def _log_likelihood(c: float, foreign: np.ndarray, total: np.ndarray, prior: np.ndarray, error: float) -> float:
    terms = []
    for copies in (0, 1, 2):
        true = c * copies / 2
        p = true * (1 - error) + (1 - true) * error
        terms.append(foreign * np.log(p) + (total - foreign) * np.log1p(-p))
    stacked = np.stack(terms)
    top = stacked.max(axis=0)
    return float((top + np.log((prior * np.exp(stacked - top)).sum(axis=0))).sum())


@dataclass(frozen=True)
class Contaminations:
    """Of a tumour and of the normal; ``frequencies`` says where allele frequencies came from."""

    tumour: Contamination
    normal: Contamination
    frequencies: str


def contaminations(genotypes: pd.DataFrame, specimen_id: str, settings: Settings) -> Contaminations:
    """Both estimates from a partition's rows of ``snp_genotypes``.

    A tumour that isn't its normal's person has none: every SNP would be called foreign.
    """
    nothing = Contamination(NOT_EVALUABLE, 0)
    normal, tumour = counts_of(genotypes, "blood"), counts_of(genotypes, "tumour", specimen_id)
    known = normal or tumour
    if known is None:
        return Contaminations(nothing, nothing, "assumed")
    frequency = np.where(np.isnan(known.frequency), settings.snp_frequency, known.frequency)
    source = "assumed" if np.isnan(known.frequency).any() else "snp_bed"

    def of(sample: Counts, person: Counts, method: str) -> Contamination:
        is_ref, is_alt = homozygous_sites(
            person.alt, person.depth, min_depth=settings.snp_min_depth, edge=settings.snp_homozygous_vaf
        )
        return estimate(
            sample.alt,
            sample.depth,
            is_ref,
            is_alt,
            frequency,
            method=method,
            error=settings.contamination_error,
            min_sites=settings.contamination_min_sites,
        )

    of_normal = of(normal, normal, FROM_SELF) if normal is not None else nothing
    of_tumour = nothing
    if normal is not None and tumour is not None:
        if not _another_person(tumour, normal, settings):
            of_tumour = of(tumour, normal, FROM_NORMAL)
    elif tumour is not None:
        of_tumour = of(tumour, tumour, FROM_SELF)
    return Contaminations(of_tumour, of_normal, source)


def plasma_rows(plasma: pd.DataFrame, genotypes: pd.DataFrame, settings: Settings) -> list[dict[str, Any]]:
    """Rows of ``plasma_contamination``: every plasma of one patient against the patient's blood.

    Parameters
    ----------
    plasma, genotypes
        Rows of ``plasma_snp_genotypes`` and of ``snp_genotypes`` of the patient, of any timepoints. A SNP of the panel
        counts where the blood has it too; without the blood the plasma's own homozygous SNPs are taken.
    """
    site = ["chrom", "pos", "alt"]
    blood = genotypes[genotypes["source"] == "blood"].drop_duplicates(site).set_index(site)
    rows = []
    for (timepoint, specimen), own in plasma.groupby(["timepoint", "specimen_id"], sort=True):
        own = own.set_index(site)
        person = blood.loc[own.index.intersection(blood.index)] if len(blood) else own
        mine, known = _counts(own.loc[person.index]), _counts(person)
        frequency = np.where(np.isnan(known.frequency), settings.snp_frequency, known.frequency)
        found, reason = Contamination(NOT_EVALUABLE, 0), "E_IDENTITY_MISMATCH"
        if not len(blood) or not _another_person(mine, known, settings):
            is_ref, is_alt = homozygous_sites(
                known.alt, known.depth, min_depth=settings.snp_min_depth, edge=settings.snp_homozygous_vaf
            )
            found = estimate(
                mine.alt,
                mine.depth,
                is_ref,
                is_alt,
                frequency,
                method=FROM_NORMAL if len(blood) else FROM_SELF,
                error=settings.contamination_error,
                min_sites=settings.contamination_min_sites,
            )
            reason = "" if found.fraction is not None else "TOO_FEW_SITES"
        rows.append(
            {
                "timepoint": timepoint,
                "specimen_id": specimen,
                "contamination": found.fraction,
                "contamination_low": found.low,
                "contamination_high": found.high,
                "n_sites": found.n_sites,
                "method": found.method,
                "frequencies": "assumed" if np.isnan(known.frequency).any() else "snp_bed",
                "verdict": _verdict(found.fraction, settings),
                "reason": reason,
            }
        )
    return rows


def _counts(rows: pd.DataFrame) -> Counts:
    return Counts(
        rows["alt_count"].to_numpy(dtype=np.int64),
        rows["depth"].to_numpy(dtype=np.int64),
        rows["frequency"].to_numpy(dtype=float, na_value=np.nan),
    )


def _verdict(fraction: float | None, settings: Settings) -> str | None:
    if fraction is None:
        return None
    if fraction > settings.contamination_fail:
        return str(Qc.FAIL)
    return str(Qc.WARN if fraction > settings.contamination_pass else Qc.PASS)


def _another_person(tumour: Counts, normal: Counts, settings: Settings) -> bool:
    """Whether opposite homozygotes say so: foreign DNA below one half makes none, however much lowers concordance."""
    min_depth, edge = settings.snp_min_depth, settings.snp_homozygous_vaf
    (mine_ref, mine_alt), (own_ref, own_alt) = (
        homozygous_sites(one.alt, one.depth, min_depth=min_depth, edge=edge) for one in (tumour, normal)
    )
    opposite = int(((mine_ref & own_alt) | (mine_alt & own_ref)).sum())
    same = int(((mine_ref & own_ref) | (mine_alt & own_alt)).sum())
    return opposite > (1 - settings.identity_fail) * (opposite + same)
