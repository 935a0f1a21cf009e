"""The files of the modality ``elisa``: a plate reader's export and the layout of the same plate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope

if TYPE_CHECKING:
    import pandas as pd

MODALITY = "elisa"


def verify_plate(path: Path, claim: Claim, context: Context) -> Finding:
    """Read the export, and with its layout check that the plate is a run at all.

    Raises
    ------
    InputError
        ``E_NO_STANDARDS`` for a plate without a standard curve, and what the parsers raise.
    """
    from palbo_assets.serum.plate import plate_wells, refuse_without_signal
    from palbo_assets.serum.plate_reader import OVER, read_plates
    from palbo_assets.serum.settings import Settings

    readings = read_plates(path)
    layout = _layout_of(claim, context)
    if layout is not None:
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
    """An export belongs to the plate that the manifest's ``sample_name`` names, else to its layout's.

    What the reader calls the plate ("Plate1") says nothing, so it is taken only where the other two are silent.

    Raises
    ------
    InputError
        ``E_BAD_NAME`` when nothing names the plate.
    """
    if claim.sample_name:
        return claim.sample_name
    if "layout" in context.siblings:
        return layout_key(context.siblings["layout"], claim, context)
    from palbo_assets.serum.plate_reader import read_plates

    names = [name for name in read_plates(path)["plate"].unique().tolist() if name]
    if len(names) != 1:
        raise InputError(
            "E_BAD_NAME",
            "nothing names the plate",
            file=path.name,
            fix="deliver the layout with it, or write the plate_id into the manifest's sample_name",
        )
    return str(names[0])


def _layout_of(claim: Claim, context: Context) -> pd.DataFrame | None:
    """The sibling layout, None where there is none or it is another plate's (a delivery of several plates)."""
    from palbo_assets.serum.layout import read_layout

    sibling = context.siblings.get("layout")
    if sibling is None:
        return None
    try:
        layout = read_layout(sibling)
    except InputError:
        return None  # the layout is refused by its own verification; the export isn't to blame
    if claim.sample_name and claim.sample_name != str(layout["plate_id"].iloc[0]):
        return None
    return layout


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
