"""The files of the modality ``facs``: FCS, gating, panel, and the blood counts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope

if TYPE_CHECKING:
    from palbo_assets.cytometry.settings import Settings

MODALITY = "facs"
_LINEAR_SCALE = 4096  # a fluorescence scale that ends below is of a 10- or 12-bit instrument


def verify_fcs(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the file, find its markers, and see that it is a stained sample.

    Raises
    ------
    InputError
        ``E_UNSTAINED`` for a control, ``E_PANEL`` when no marker can be recognised, ``E_SCALE`` for the 1,024-channel
        scale of old instruments, ``E_SPILL``, ``E_PANEL_MISMATCH``, and what `fcs.read_fcs` raises.
    """
    from palbo_assets.cytometry.acquisition import read_stained
    from palbo_assets.cytometry.logicle import Logicle
    from palbo_assets.cytometry.settings import Settings
    from palbo_assets.cytometry.strategy import load_strategy
    from palbo_assets.cytometry.unstained import positive_percent, refuse_control

    settings = Settings()
    strategy = load_strategy()
    beside = context.siblings
    events, sample = read_stained(path, strategy, beside.get("panel"), beside.get("compensation"))
    markers = [marker for marker in sample.columns if marker in strategy.markers]
    if not markers:
        raise InputError(
            "E_PANEL",
            "no channel is labelled with a marker of the study's panel",
            file=path.name,
            fix="label the channels ($PnS) with their markers, or deliver a panel table",
        )
    if any(events.ranges[sample.columns[marker]] <= _LINEAR_SCALE for marker in markers):
        raise InputError(
            "E_SCALE",
            "the fluorescence scale isn't the linear scale up to 262,144 that the gates are placed on",
            file=path.name,
            fix="export linear data, or deliver a gating for this instrument",
        )
    refuse_control(
        positive_percent(events, sample, settings.positive_at, Logicle()),
        settings.min_positive_pct,
        file=path.name,
    )
    return {
        "events": events.count,
        "channels": len(events.channels),
        "markers": len(markers),
        "compensated": int(sample.compensated),
    }


def verify_control(path: Path, claim: Claim, context: Context) -> Finding:
    """Read a control tube, and see that it is the one that the manifest's ``sample_name`` says.

    Raises
    ------
    InputError
        ``E_SCHEMA`` when the name says no kind, ``E_UNSTAINED`` for an FMO or single-stain tube that wasn't stained,
        ``E_PANEL_MISMATCH`` for an unstained tube that was, and what `fcs.read_fcs` raises.
    """
    from palbo_assets.cytometry.controls import SINGLE, UNSTAINED, kind_of
    from palbo_assets.cytometry.fcs import read_fcs
    from palbo_assets.cytometry.gating import stained
    from palbo_assets.cytometry.logicle import Logicle
    from palbo_assets.cytometry.settings import Settings
    from palbo_assets.cytometry.strategy import load_strategy
    from palbo_assets.cytometry.unstained import positive_percent, refuse_control

    settings, strategy = Settings(), load_strategy()
    kind = kind_of(claim.sample_name, strategy, file=path.name)
    events = read_fcs(path)
    sample = stained(events, strategy, file=path.name)
    positive = positive_percent(events, sample, settings.positive_at, Logicle())
    if kind.startswith(SINGLE):
        column = sample.columns.get(kind.removeprefix(SINGLE))
        own = None if column is None else 100.0 * float((sample.channel(column) >= _stained_from(settings)).mean())
        if own is None or own < settings.min_positive_pct:
            raise InputError(
                "E_UNSTAINED",
                "the channel of the marker that is said to be stained alone isn't labelled, or not stained",
                file=path.name,
                column="sample_name",
                fix="say which marker the tube shows, and label its channel ($PnS)",
            )
    elif kind != UNSTAINED:
        refuse_control(positive, settings.min_positive_pct, file=path.name)
    elif any(share >= settings.min_positive_pct for share in positive.values()):
        raise InputError(
            "E_PANEL_MISMATCH",
            "the tube is said to be unstained, and is stained",
            file=path.name,
            column="sample_name",
            fix="say which control it is, or deliver it in the role fcs",
        )
    return {"events": events.count, "slot": kind}


def _stained_from(settings: Settings) -> float:
    """Linear value from which an event counts as stained."""
    from palbo_assets.cytometry.logicle import Logicle

    return float(Logicle().inverse(settings.positive_at))


def verify_gating(path: Path, claim: Claim, context: Context) -> Finding:
    """Read a GatingML 2.0 file or a FlowJo workspace, and count its gates.

    Raises
    ------
    InputError
        As `external_gating.gate_names`.
    """
    from palbo_assets.cytometry.external_gating import applies_to, gate_names

    # Workspaces of different samples stand side by side; what applies to the same samples replaces the earlier one.
    return {"gates": len(gate_names(path)), "slot": applies_to(path)}


def verify_matrix(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the compensation matrix, and see that it fits the FCS file delivered with it.

    Raises
    ------
    InputError
        As `matrix_file.read_matrix` and `matrix_file.fitted`.
    """
    from palbo_assets.cytometry.fcs import read_fcs
    from palbo_assets.cytometry.matrix_file import fitted, read_matrix

    spill = read_matrix(path)
    if "fcs" in context.siblings:
        fitted(spill, read_fcs(context.siblings["fcs"]).channels, file=path.name)
    return {"channels": len(spill.channels)}


def verify_panel(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the panel table.

    Raises
    ------
    InputError
        ``E_PANEL`` when it names no marker of the study, and what `panel.read_panel` raises.
    """
    from palbo_assets.cytometry.panel import marker_of, read_panel
    from palbo_assets.cytometry.strategy import load_strategy

    panel = read_panel(path)
    markers = load_strategy().markers
    known = sum(marker_of(written, markers) is not None for written in panel.values())
    if not known:
        raise InputError(
            "E_PANEL",
            "the panel names no marker of the study",
            file=path.name,
            column="marker",
            fix=f"the study's markers are {', '.join(markers)}",
        )
    return {"detectors": len(panel), "markers": known}


def verify_blood_counts(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the blood counts.

    Raises
    ------
    InputError
        As `blood_counts.read_blood_counts`.
    """
    from palbo_assets.cytometry.blood_counts import read_blood_counts

    rows = read_blood_counts(path)
    return {"rows": len(rows), "patients": len({row["patient_id"] for row in rows})}


def blood_count_key(path: Path, claim: Claim, context: Context) -> str:
    """An export is known by the manifest's ``sample_name``, else (empty) by its file name.

    So a corrected export under the same name replaces the earlier one, and a further export adds to it.
    """
    return claim.sample_name


FORMATS: tuple[FileFormat, ...] = (
    FileFormat(
        modality=MODALITY,
        role="fcs",
        suffixes=(".fcs",),
        scope=Scope.SAMPLE,
        verify=verify_fcs,
        description="Stained acquisition of one sample, FCS 2.0 to 3.1, compensation matrix inside",
    ),
    FileFormat(
        modality=MODALITY,
        role="control",
        suffixes=(".control.fcs",),
        scope=Scope.SAMPLE,
        verify=verify_control,
        description="Control tube of a sample; sample_name says unstained, FMO and the marker that was left out, or "
        "single and the one that was stained",
        needs=(frozenset({"fcs"}),),
    ),
    FileFormat(
        modality=MODALITY,
        role="gating",
        suffixes=(".wsp", ".xml"),
        scope=Scope.COHORT,
        verify=verify_gating,
        description="The lab's own gates: GatingML 2.0, or a FlowJo workspace with the FCS files' names",
    ),
    FileFormat(
        modality=MODALITY,
        role="panel",
        suffixes=(".panel.csv",),
        scope=Scope.COHORT,
        verify=verify_panel,
        description="Panel of the study: detector, fluorochrome, marker",
    ),
    FileFormat(
        modality=MODALITY,
        role="compensation",
        suffixes=(".compensation.csv", ".compensation.tsv"),
        scope=Scope.SAMPLE,
        verify=verify_matrix,
        description="Compensation matrix of a tube as FlowJo or FACSDiva export it, in place of the file's own",
        needs=(frozenset({"fcs"}),),
    ),
    FileFormat(
        modality=MODALITY,
        role="cbc",
        suffixes=(".csv",),
        scope=Scope.BATCH,
        verify=verify_blood_counts,
        description="Blood counts of many patients: patient_id, timepoint, wbc_per_ul, alc_per_ul, days_from_draw",
        batch_key=blood_count_key,
    ),
)
