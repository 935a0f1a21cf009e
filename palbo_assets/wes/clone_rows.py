"""A patient's variants through all of the patient's tumours: cell fractions, what changed, and their clones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from palbo_assets.wes.cancer_cell_fraction import CellFractions, Differences, compare, differences
from palbo_assets.wes.cell_fraction_rows import fractions_of, local_copies
from palbo_assets.wes.changes import Change
from palbo_assets.wes.clones import Clones, Tumour, find_clones
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tumour_profile import TumourProfile, profile_of_rows

if TYPE_CHECKING:
    import pandas as pd

ONE_TUMOUR = "ONE_TUMOUR"
FEW_VARIANTS = "FEW_VARIANTS"
NO_TUMOUR = "NO_TUMOUR_AT_TIMEPOINT"
BASELINE, PROGRESSION = "BL", "PD"


class Key(NamedTuple):
    """A variant in VCF alleles, 1-based."""

    chrom: str
    pos: int
    ref: str
    alt: str


@dataclass(frozen=True)
class Counted:
    """One tumour: fragments at each of the patient's variants (0 of 0 where it wasn't counted), and its copies."""

    timepoint: str
    specimen_id: str
    alt: tuple[int, ...]
    depth: tuple[int, ...]
    profile: TumourProfile | None


@dataclass(frozen=True)
class PatientVariants:
    """The patient's variants in genome order, with what they do, and every usable tumour by time and name."""

    keys: tuple[Key, ...]
    effects: tuple[Mapping[str, Any], ...]
    tumours: tuple[Counted, ...]


def patient_variants(
    genotypes: pd.DataFrame, copy_number_segments: pd.DataFrame, unusable: Collection[str], order: Sequence[str]
) -> PatientVariants:
    """Join counts with copy number; ``unusable`` specimens stay out, ``order`` is that of the timepoints."""
    from palbo_assets.wes.copy_number_files import plain_chromosome

    effects: dict[Key, Mapping[str, Any]] = {}
    counts: dict[tuple[str, str], dict[Key, tuple[int, int]]] = {}
    plain = genotypes.astype(object).where(genotypes.notna(), None)
    for row in plain.to_dict("records"):
        key = Key(str(row["chrom"]), int(row["pos"]), str(row["ref"]), str(row["alt"]))
        effects.setdefault(key, {name: row[name] for name in ("gene", "hgvsp_short", "consequence")})
        if row["specimen_id"] not in unusable:
            seen = counts.setdefault((str(row["timepoint"]), str(row["specimen_id"])), {})
            seen[key] = (int(row["alt_count"] or 0), int(row["depth"] or 0))
    keys = tuple(sorted(effects, key=lambda one: (plain_chromosome(one.chrom).zfill(2), *one)))
    tumours = []
    for timepoint, specimen in sorted(counts, key=lambda at: (order.index(at[0]), at[1])):
        seen = counts[timepoint, specimen]
        rows = copy_number_segments[copy_number_segments["specimen_id"] == specimen]
        tumours.append(
            Counted(
                timepoint,
                specimen,
                tuple(seen.get(key, (0, 0))[0] for key in keys),
                tuple(seen.get(key, (0, 0))[1] for key in keys),
                profile_of_rows(rows),
            )
        )
    return PatientVariants(keys, tuple(effects[key] for key in keys), tuple(tumours))


@dataclass(frozen=True)
class PatientClones:
    """Fit over the tumours that could be judged; ``clones`` is None with a reason. ``of_variant`` is a row of the fit's
    membership for each of the patient's variants, None where the variant couldn't be judged in every such tumour."""

    tumours: tuple[Counted, ...]
    clones: Clones | None
    of_variant: tuple[int | None, ...]
    reason: str


def fit_clones(patient: PatientVariants, settings: Settings, seed: int) -> PatientClones:
    """Clones of the patient from every tumour whose copies and purity are known."""
    judged = [(one, _fractions(patient.keys, one, settings)) for one in patient.tumours]
    tumours = [(one, found) for one, found in judged if not all(found.reasons)]
    nothing: tuple[int | None, ...] = (None,) * len(patient.keys)
    if len(tumours) < 2:
        reasons = {why for _, found in judged for why in found.reasons if why}
        whole = next(iter(reasons)) if not tumours and len(reasons) == 1 else ONE_TUMOUR
        return PatientClones(tuple(one for one, _ in tumours), None, nothing, whole)
    usable = [at for at in range(len(patient.keys)) if not any(found.reasons[at] for _, found in tumours)]
    if len(usable) < settings.clone_min_variants:
        return PatientClones(tuple(one for one, _ in tumours), None, nothing, FEW_VARIANTS)
    inputs = []
    for one, _ in tumours:
        copies = local_copies([patient.keys[at][:2] for at in usable], one.profile, settings)
        assert one.profile is not None and one.profile.purity is not None
        alt, depth = (np.array([values[at] for at in usable], dtype=float) for values in (one.alt, one.depth))
        stated = one.profile.stated_purity_sd
        sd = settings.purity_sd if stated is None else stated
        inputs.append(Tumour(alt, depth, copies.whole(), one.profile.purity, sd))
    rows = {at: row for row, at in enumerate(usable)}
    of_variant = tuple(rows.get(at) for at in range(len(patient.keys)))
    return PatientClones(tuple(one for one, _ in tumours), _fitted(inputs, settings, seed), of_variant, "")


# The products of variants and of prevalence rest on one fit, and one process makes both of a patient's.
_FITS: dict[str, Clones] = {}
_KEPT = 4


def _fitted(tumours: list[Tumour], settings: Settings, seed: int) -> Clones:
    """`find_clones`; the last few fits are kept, by everything that they follow from."""
    digest = hashlib.sha256(f"{settings.model_dump_json()} {seed}".encode())
    for tumour in tumours:
        whole = tumour.copies
        digest.update(f"{tumour.purity!r} {tumour.purity_sd!r} {len(tumour.alt)}".encode())
        for values in (
            tumour.alt,
            tumour.depth,
            whole.total,
            whole.minor,
            whole.share,
            whole.other_total,
            whole.other_minor,
        ):
            digest.update(np.ascontiguousarray(values).tobytes())
    key = digest.hexdigest()
    if key not in _FITS:
        found = find_clones(tumours, settings, seed)
        for kept in (found.fraction, found.low, found.high, found.membership):
            kept.setflags(write=False)
        while len(_FITS) >= _KEPT:
            _FITS.pop(next(iter(_FITS)), None)
        _FITS[key] = found
    return _FITS[key]


def variant_rows(patient: PatientVariants, fit: PatientClones, settings: Settings) -> list[dict[str, Any]]:
    """Rows of ``clonal_variants`` without the patient."""
    before, after = (_side(patient, point, settings) for point in (BASELINE, PROGRESSION))
    changes = _changes(before, after, len(patient.keys), settings)
    apart = None if before is None or after is None else differences(before, after, mass=settings.ccf_mass)
    rows = []
    for at, (key, effect) in enumerate(zip(patient.keys, patient.effects, strict=True)):
        member = fit.of_variant[at]
        clone = None if fit.clones is None or member is None else int(fit.clones.assigned[member])
        sides = {"baseline": before, "progression": after}
        missing = [f"{name} {_why(side, at)}" for name, side in sides.items() if _why(side, at)]
        rows.append(
            {
                **key._asdict(),
                **effect,
                **{name: value for title, side in sides.items() for name, value in _fraction(title, side, at).items()},
                **_difference(apart, at),
                "change": str(changes[at]),
                "change_reason": "; ".join(missing),
                "clone": None if clone is None else clone + 1,
                "assignment_probability": None
                if clone is None or fit.clones is None or member is None
                else float(fit.clones.membership[member, clone]),
                "clone_reason": "" if clone is not None else fit.reason or "NOT_JUDGED_IN_EVERY_TUMOUR",
            }
        )
    return rows


def clone_rows(fit: PatientClones, settings: Settings) -> list[dict[str, Any]]:
    """Rows of ``clone_prevalence`` without the patient: every clone in every tumour of the fit."""
    if fit.clones is None:
        return []
    sizes = np.bincount(fit.clones.assigned, minlength=len(fit.clones.fraction))
    first = next((at for at, tumour in enumerate(fit.tumours) if tumour.timepoint == BASELINE), None)
    return [
        {
            "timepoint": tumour.timepoint,
            "specimen_id": tumour.specimen_id,
            "clone": clone + 1,
            "n_variants": int(sizes[clone]),
            "prevalence": float(fit.clones.fraction[clone, at]),
            "prevalence_low": float(fit.clones.low[clone, at]),
            "prevalence_high": float(fit.clones.high[clone, at]),
            "clonal": bool(fit.clones.high[clone, at] >= settings.ccf_clonal),
            "change": None if tumour.timepoint == BASELINE else str(_rise(fit.clones, clone, first, at, settings)),
        }
        for at, tumour in enumerate(fit.tumours)
        for clone in range(len(fit.clones.fraction))
    ]


def _rise(clones: Clones, clone: int, before: int | None, after: int, settings: Settings) -> Change:
    """A clone's change between two tumours of the fit, by the rule of single variants (`compare`)."""
    if before is None:
        return Change.NOT_EVALUABLE
    share, low, high = (values[clone] for values in (clones.fraction, clones.low, clones.high))
    if low[after] > high[before] and share[after] >= settings.ccf_change_ratio * share[before]:
        return Change.EXPANDED
    if low[before] > high[after] and share[before] >= settings.ccf_change_ratio * share[after]:
        return Change.CONTRACTED
    return Change.NO_CHANGE_SHOWN


def _fractions(keys: Iterable[Key], tumour: Counted, settings: Settings) -> CellFractions:
    return fractions_of([key[:2] for key in keys], tumour.alt, tumour.depth, tumour.profile, settings)


def _side(patient: PatientVariants, timepoint: str, settings: Settings) -> CellFractions | None:
    """Cell fractions at a timepoint: of its first tumour that can be judged, else of its first."""
    found = [_fractions(patient.keys, one, settings) for one in patient.tumours if one.timepoint == timepoint]
    return min(found, key=lambda one: all(one.reasons), default=None)


def _changes(before: CellFractions | None, after: CellFractions | None, n: int, settings: Settings) -> list[Change]:
    if before is None or after is None:
        return [Change.NOT_EVALUABLE] * n
    return compare(before, after, ratio=settings.ccf_change_ratio)


def _why(side: CellFractions | None, at: int) -> str:
    return NO_TUMOUR if side is None else side.reasons[at]


def _fraction(title: str, side: CellFractions | None, at: int) -> dict[str, float | None]:
    names = (f"{title}_ccf", f"{title}_ccf_low", f"{title}_ccf_high")
    if side is None or side.reasons[at]:
        return dict.fromkeys(names)
    return dict(zip(names, (float(side.ccf[at]), float(side.low[at]), float(side.high[at])), strict=True))


def _difference(apart: Differences | None, at: int) -> dict[str, float | None]:
    names = ("ccf_difference", "ccf_difference_low", "ccf_difference_high", "probability_of_rise")
    if apart is None or np.isnan(apart.difference[at]):
        return dict.fromkeys(names)
    values = (apart.difference[at], apart.low[at], apart.high[at], apart.higher[at])
    return dict(zip(names, (float(one) for one in values), strict=True))
