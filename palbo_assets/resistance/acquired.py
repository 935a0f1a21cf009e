"""Candidates for the plasma panel: alterations acquired under treatment, with power to say so."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from palbo_assets.resistance.settings import ExtensionSettings
from palbo_assets.resistance.state_rows import IDENTITY_MISMATCH, records
from palbo_assets.resistance.variant_states import key_of
from palbo_assets.study.vocabulary import State, Timepoint

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("patient_id", "chrom", "pos", "ref", "alt", "gene", "hgvsp_short", "lof", "hotspot", "confident")
PROTEIN_CHANGING = frozenset(
    {
        "Missense_Mutation", "Nonsense_Mutation", "Frame_Shift_Del", "Frame_Shift_Ins", "In_Frame_Del", "In_Frame_Ins",
        "Splice_Site", "Translation_Start_Site", "Nonstop_Mutation",
    }
)  # fmt: skip
_DEAMINATION = {("C", "T"), ("G", "A")}


def blocked_patients(resistance_transitions: pd.DataFrame) -> frozenset[str]:
    """Patients whose pair failed its identity check."""
    return frozenset(
        str(row["patient_id"]) for row in records(resistance_transitions) if row["reason"] == IDENTITY_MISMATCH
    )


def acquired_alterations(
    somatic_calls: pd.DataFrame,
    forced_genotypes: pd.DataFrame,
    blocked: Collection[str],
    settings: ExtensionSettings,
) -> pd.DataFrame:
    """Protein-changing variants that were called at progression and absent, with power, at baseline.

    Parameters
    ----------
    somatic_calls, forced_genotypes
        The whole cohort's rows of these tables.
    blocked
        Patients to leave out.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`, one row per patient and variant. ``confident``: enough fragments, none in the normal, and no
        low-fraction C>T that formalin could have made.
    """
    import pandas as pd

    at_baseline: dict[tuple[str, object], list[str]] = {}
    for row in records(forced_genotypes):
        if row["timepoint"] == Timepoint.BL:
            at_baseline.setdefault((str(row["patient_id"]), key_of(row)), []).append(str(row["state"]))
    found: dict[tuple[str, object], dict[str, object]] = {}
    for row in records(somatic_calls):
        called = row["timepoint"] == Timepoint.PD and row["filter"] == "PASS" and not row["forced"]
        if not called or row["patient_id"] in blocked or row["consequence"] not in PROTEIN_CHANGING:
            continue
        key = (str(row["patient_id"]), key_of(row))
        states = at_baseline.get(key, [])
        if not states or any(state != State.ABSENT for state in states):
            continue
        artefact = (row["ref"], row["alt"]) in _DEAMINATION and (row["t_vaf"] or 0.0) < settings.artefact_vaf
        enough = (row["t_alt"] or 0) >= settings.extension_alt_reads and not row["n_alt"]
        confident = bool(enough and not artefact) or bool(found.get(key, {}).get("confident"))
        found[key] = {name: row.get(name) for name in COLUMNS} | {"confident": confident}
    return pd.DataFrame(list(found.values()), columns=list(COLUMNS))
