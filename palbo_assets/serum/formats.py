"""The files of the modality ``elisa``: a plate reader's export and the layout of the same plate."""

from __future__ import annotations

from pathlib import Path

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope

MODALITY = "elisa"


def verify_plate(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the export, and with its layout check that the plate is a run at all.

    Raises
    ------
    InputError
        ``E_NO_STANDARDS`` for a plate without a standard curve, ``E_SAMPLE_MISMATCH`` when the manifest names another
        plate than the layout, and what the parsers raise.
    """
    from palbo_assets.serum.layout import read_layout
    from palbo_assets.serum.plate import plate_wells, refuse_without_signal
    from palbo_assets.serum.plate_reader import read_plates
    from palbo_assets.serum.readings import OVER
    from palbo_assets.serum.settings import Settings

    readings = read_plates(path)
    if "layout" in context.siblings:
        layout = read_layout(context.siblings["layout"])
        _refuse_other_name(path, claim, str(layout["plate_id"].iloc[0]))
        wells = plate_wells(readings, layout, Settings(), file=path.name)
        refuse_without_signal(wells, file=path.name)
        if bool(wells["od"].isna().all()):
            raise InputError(
                "E_EMPTY", "no well of the layout was read", file=path.name, fix="deliver the plate's own layout"
            )
    return {
        "plates": int(readings["plate"].nunique()),
        "wells": int(readings["well"].nunique()),
        "wells_over_range": int((readings["flag"] == OVER).sum()),
    }


def verify_layout(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the layout: wells, roles, ids, nominal concentrations.

    Raises
    ------
    InputError
        ``E_NO_STANDARDS`` when it lists no standards, ``E_SCHEMA`` when it lists no specimen, and what
        `layout.read_layout` raises.
    """
    from palbo_assets.serum.layout import STANDARD, UNKNOWN, read_layout

    layout = read_layout(path)
    roles = layout["role"].value_counts()
    if roles.get(STANDARD, 0) == 0:
        raise InputError(
            "E_NO_STANDARDS",
            "the layout lists no standards",
            file=path.name,
            column="role",
            fix="list the standard curve as role STD with nominal_conc",
        )
    if roles.get(UNKNOWN, 0) == 0:
        raise InputError("E_SCHEMA", "the layout lists no specimens", file=path.name, column="role", fix="add role UNK")
    _refuse_other_name(path, claim, str(layout["plate_id"].iloc[0]))
    return {
        "plate_id": str(layout["plate_id"].iloc[0]),
        "standards": int(roles.get(STANDARD, 0)),
        "specimens": int(layout.loc[layout["role"] == UNKNOWN, "specimen_id"].nunique()),
    }


def layout_key(path: Path, claim: Claim, context: Context) -> str:
    """A layout belongs to the plate that it names."""
    from palbo_assets.serum.layout import read_layout

    return str(read_layout(path)["plate_id"].iloc[0])


def plate_key(path: Path, claim: Claim, context: Context) -> str:
    """An export belongs to the plate that its layout names, else the manifest's ``sample_name``.

    What the reader calls the plate ("Plate 1") says nothing; empty where nothing else names it.
    """
    if "layout" in context.siblings:
        return layout_key(context.siblings["layout"], claim, context)
    return claim.sample_name


def _refuse_other_name(path: Path, claim: Claim, plate_id: str) -> None:
    if claim.sample_name and claim.sample_name != plate_id:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "the manifest's sample_name is not the plate_id of the layout",
            file=path.name,
            column="plate_id",
            fix="name the plate alike in delivery.csv and in the layout",
        )


FORMATS: tuple[FileFormat, ...] = (
    FileFormat(
        modality=MODALITY,
        role="plate",
        suffixes=(".txt", ".xlsx", ".plate.csv"),
        scope=Scope.BATCH,
        verify=verify_plate,
        description="Absorbance of one plate: 8x12 CSV, SoftMax Pro, Gen5, Magellan, SkanIt, EnVision or MARS export",
        needs=(frozenset({"layout"}),),
        batch_key=plate_key,
    ),
    FileFormat(
        modality=MODALITY,
        role="layout",
        suffixes=(".csv",),
        scope=Scope.BATCH,
        verify=verify_layout,
        description="Layout of one plate: well, role, specimen, patient, timepoint, nominal concentration, dilution",
        needs=(frozenset({"plate"}),),
        batch_key=layout_key,
    ),
)
