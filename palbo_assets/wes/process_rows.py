"""Rows of the tables of mutational processes: who can be judged, from what, and why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from palbo_assets.genomics.regions import Region
from palbo_assets.study.vocabulary import OBSERVED, Absence
from palbo_assets.wes.mutation_sets import passing, private_and_shared, substitutions
from palbo_assets.wes.process_tables import APOBEC
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.trinucleotides import CLASSES, Fetch, Substitution, spectrum

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from palbo_assets.wes.signature_profiles import Profiles

NOT_EVALUABLE = Absence.NOT_EVALUABLE.value
MISMATCH = "E_IDENTITY_MISMATCH"
NO_SPECTRUM = "E_REFERENCE_MISSING"
NONSILENT = (
    "Missense_Mutation",
    "Nonsense_Mutation",
    "Frame_Shift_Del",
    "Frame_Shift_Ins",
    "In_Frame_Del",
    "In_Frame_Ins",
    "Splice_Site",
    "Translation_Start_Site",
    "Nonstop_Mutation",
)
CODING = (*NONSILENT, "Silent")


def of_other_people(sample_identity: pd.DataFrame, identity_failures: pd.DataFrame | None = None) -> set[str]:
    """Tumours that aren't their patient's, by their own blood or by comparison with all others."""
    found = set(sample_identity.loc[sample_identity["verdict"] == "mismatch", "specimen_id"])
    if identity_failures is not None:
        found |= set(identity_failures.loc[identity_failures["source"] == "tumour", "specimen_id"])
    return found


def judged_specimens(calls: pd.DataFrame, sample_identity: pd.DataFrame, read_qc: pd.DataFrame) -> list[str]:
    """Specimens whose mutations are known, those without any too; none that are another person's."""
    known = set(calls["specimen_id"]) | set(read_qc["specimen_id"])
    return sorted(known - of_other_people(sample_identity))


def specimens_with_reason(
    known: pd.DataFrame, sample_identity: pd.DataFrame, read_qc: pd.DataFrame
) -> dict[str, str | None]:
    """Every specimen and why it can't be judged; None where rows of ``known`` are there."""
    swapped = of_other_people(sample_identity)
    there = set(known["specimen_id"])
    every = there | set(read_qc["specimen_id"]) | set(sample_identity["specimen_id"])
    return {one: None if one in there else MISMATCH if one in swapped else NO_SPECTRUM for one in sorted(every)}


def spectrum_rows(calls: pd.DataFrame, specimens: Sequence[str], fetch: Fetch) -> list[dict[str, Any]]:
    """96 rows a specimen. InputError ``E_BUILD_MISMATCH`` when the genome isn't that of the calls."""
    counted = passing(calls)
    rows = []
    for specimen in specimens:
        counts = spectrum(substitutions(counted[counted["specimen_id"] == specimen]), fetch)
        rows += [
            {"specimen_id": specimen, "sbs_class": name, "substitution": name[2:5], "mutations": int(number)}
            for name, number in zip(CLASSES, counts, strict=True)
        ]
    return rows


def spectrum_of(spectra: pd.DataFrame, specimen: str) -> np.ndarray | None:
    """Counts (96, as ``CLASSES``) of a specimen; None where it has no spectrum."""
    import numpy as np

    own = spectra[spectra["specimen_id"] == specimen].set_index("sbs_class")["mutations"]
    return own.reindex(list(CLASSES)).to_numpy(dtype=np.int64) if len(own) else None


def signature_rows(
    who: Mapping[str, Any],
    counts: np.ndarray | None,
    profiles: Profiles,
    settings: Settings,
    seed: int,
    *,
    reason: str | None = None,
) -> list[dict[str, Any]]:
    """One row a wanted signature and one for APOBEC; nulls with a reason where the set can't be judged."""
    from palbo_assets.wes.signatures import refit

    names = [*settings.signatures, APOBEC]
    common: dict[str, Any] = {**who, "profiles": profiles.source or None}
    if counts is not None:
        common["mutations"] = int(counts.sum())
    reason = reason or profiles.reason
    found = None
    if reason is None and counts is not None and profiles.frame is not None:
        found = refit(counts, profiles.frame, settings, seed, {APOBEC: settings.apobec_signatures})
        reason = found.reason
    if found is None or found.shares is None:
        return [{**common, "signature": name, "status": NOT_EVALUABLE, "reason": reason} for name in names]
    largest = max(settings.signatures, key=lambda name: found.shares[name].share if found.shares else 0.0)
    rows = []
    for name in names:
        one = found.shares[name]
        sum_of_apobec = name == APOBEC
        rows.append(
            {
                **common,
                "signature": name,
                "exposure": one.share * found.mutations,
                "share": min(one.share, 1.0),
                "low": min(one.low, 1.0),
                "high": min(one.high, 1.0),
                "dominant": largest,
                "apobec_high": _is_high(one.share, one.low, settings) if sum_of_apobec else None,
                "cosine": found.cosine,
                "low_confidence": found.low_confidence,
                "status": OBSERVED,
                "reason": None,
            }
        )
    return rows


def _is_high(share: float, low: float, settings: Settings) -> bool:
    return share >= settings.apobec_high_share and low > settings.apobec_high_low


def enrichment_rows(
    calls: pd.DataFrame,
    genotypes: pd.DataFrame,
    swapped: Collection[str],
    refits: pd.DataFrame,
    fetch: Fetch,
    settings: Settings,
) -> list[dict[str, Any]]:
    """One row a set and specimen of the study, with q over the specimens that could be judged in the same set.

    ``refits``: rows of both tables of signatures, with which the enrichment is held.
    """
    from palbo_assets.wes.apobec import agreement, count, enrichment, q_values

    wanted: list[tuple[dict[str, Any], Sequence[Substitution], str | None]] = []
    counted = passing(calls)
    key = ["patient_id", "timepoint", "specimen_id"]
    for (patient, timepoint, specimen), _ in refits[refits["mutation_set"] == "all"].groupby(key, sort=True):
        who = {"patient_id": patient, "timepoint": timepoint, "specimen_id": specimen, "mutation_set": "all"}
        own = counted[(counted["patient_id"] == patient) & (counted["specimen_id"] == specimen)]
        wanted.append((who, substitutions(own), MISMATCH if specimen in swapped else None))
    for patient, own in genotypes.groupby("patient_id", sort=True):
        for sets in private_and_shared(own, swapped):
            who = {"patient_id": patient, "timepoint": sets.timepoint, "specimen_id": sets.specimen_id}
            wanted.append(({**who, "mutation_set": "private"}, sets.private, sets.reason))
            wanted.append(({**who, "mutation_set": "shared"}, sets.shared, sets.reason))
    of_apobec = refits[(refits["signature"] == APOBEC) & (refits["status"] == OBSERVED)]
    shares = {
        tuple(row[name] for name in (*key, "mutation_set")): (float(row["share"]), float(row["low"]))
        for row in of_apobec.to_dict("records")
    }
    rows: list[dict[str, Any]] = []
    for who, mutations, reason in wanted:
        if reason is not None:
            rows.append({**who, "p_value": None, "enriched": None, "status": NOT_EVALUABLE, "reason": reason})
            continue
        counts = count(mutations, fetch, settings.apobec_flank)
        found = enrichment(counts, settings)
        rows.append(
            {
                **who,
                "mutations": len(mutations),
                "c_mutations": counts.c_mutations,
                "tcw_mutations": counts.tcw_mutations,
                "c_context": counts.c_context,
                "tcw_context": counts.tcw_context,
                "fold": found.fold,
                "p_value": found.p_value,
                "enriched": None,
                "status": OBSERVED if found.reason is None else NOT_EVALUABLE,
                "reason": found.reason,
            }
        )
    for name in sorted({row["mutation_set"] for row in rows}):
        tested = [row for row in rows if row["mutation_set"] == name and row["p_value"] is not None]
        for row, q in zip(tested, q_values([row["p_value"] for row in tested]), strict=True):
            row |= {"q_value": float(q), "enriched": bool(q < settings.apobec_max_q)}
    for row in rows:
        refit = shares.get(tuple(row[name] for name in (*key, "mutation_set")))
        row["refit_share"] = refit[0] if refit else None
        row["agreement"] = agreement(refit[1] > settings.apobec_high_low if refit else None, row["enriched"])
    return rows


def burden_rows(
    calls: pd.DataFrame,
    sample_identity: pd.DataFrame,
    read_qc: pd.DataFrame,
    targets: Sequence[Region] | None,
    coding: Sequence[Region] | None,
    settings: Settings,
) -> list[dict[str, Any]]:
    """One row a specimen. Mutations count where the bases do: on coding target, deep enough in both samples."""
    import numpy as np

    from palbo_assets.wes.callable_bases import inside
    from palbo_assets.wes.tumour_mutational_burden import burden

    swapped = of_other_people(sample_identity)
    bases = dict(zip(read_qc["specimen_id"], read_qc["callable_coding_bases"], strict=True))
    counted = passing(calls)
    counted = counted[counted["evaluable"].astype(bool) & counted["consequence"].isin(CODING)]
    if targets is not None and coding is not None:
        kept = inside(zip(counted["chrom"], counted["pos"], strict=True), targets, coding)
        counted = counted[np.array(kept, dtype=bool)]
    rows = []
    for specimen in sorted(set(calls["specimen_id"]) | set(bases) | swapped):
        if specimen in swapped or targets is None or coding is None:
            reason = MISMATCH if specimen in swapped else NO_SPECTRUM
            rows.append({"specimen_id": specimen, "coding_per_mb": None, "status": NOT_EVALUABLE, "reason": reason})
            continue
        known = bases.get(specimen)
        deep = None if known is None or known != known else int(known)
        own = counted.loc[counted["specimen_id"] == specimen, "consequence"]
        numbers = {"coding": len(own), "nonsilent": int(own.isin(NONSILENT).sum())}
        row: dict[str, Any] = {"specimen_id": specimen, "callable_bases": deep}
        for name, number in numbers.items():
            found = burden(number, deep, settings)
            row |= {
                f"{name}_mutations": number,
                f"{name}_per_mb": found.per_mb,
                f"{name}_low": found.low,
                f"{name}_high": found.high,
                "status": OBSERVED if found.reason is None else NOT_EVALUABLE,
                "reason": found.reason,
            }
        per_mb = row["coding_per_mb"]
        row["tmb_high"] = None if per_mb is None else per_mb >= settings.tmb_high
        rows.append(row)
    return rows
