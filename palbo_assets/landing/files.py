"""What others ask of the landing: accepted files, the whole ledger, patients that have files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from palbo_assets.landing.ledger import decode_facts, landed_file
from palbo_assets.landing.names import INDEX_ROLE, MANIFEST_ROLE
from palbo_assets.landing.problem import Status

if TYPE_CHECKING:
    import pandas as pd

LEDGER_COLUMNS = (
    "file",
    "delivery",
    "patient_id",
    "timepoint",
    "modality",
    "role",
    "specimen_id",
    "status",
    "reason",
    "received_at",
    "sha256",
)


@dataclass(frozen=True)
class LandedFile:
    """An accepted, current file. ``path`` is absolute; ``facts`` is what verification learnt."""

    path: Path
    sha256: str
    modality: str
    role: str
    scope: str
    patient_id: str = ""
    timepoint: str = ""
    batch_key: str = ""
    specimen_id: str = ""
    sample_name: str = ""
    genome_build: str = ""
    panel_version: str = ""
    library: str = ""
    site: str = ""
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


def landed(row: Mapping[str, Any], landing: Path) -> LandedFile:
    """The file of a ledger row."""
    return LandedFile(
        path=landing.absolute() / row["path"],
        sha256=row["sha256"],
        modality=row["modality"],
        role=row["role"],
        scope=row["scope"],
        patient_id=row["patient_id"],
        timepoint=row["timepoint"],
        batch_key=row["batch_key"],
        specimen_id=row["specimen_id"],
        sample_name=row["sample_name"],
        genome_build=row["genome_build"],
        panel_version=row["panel_version"],
        library=row["library"],
        site=row["site"],
        facts=decode_facts(row["facts"]),
    )


def accepted_files(
    engine: sa.Engine,
    landing: Path,
    *,
    modalities: Sequence[str] | None = None,
    patient_id: str | None = None,
) -> list[LandedFile]:
    """Accepted, current files (never delivered indexes), of some modalities or one patient when asked; by path."""
    table = landed_file.c
    query = sa.select(landed_file).where(
        table.status == Status.ACCEPTED, table.role.not_in((INDEX_ROLE, MANIFEST_ROLE))
    )
    if modalities is not None:
        query = query.where(table.modality.in_(list(modalities)))
    if patient_id is not None:
        query = query.where(table.patient_id == patient_id)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(table.path, table.id)).mappings().all()
    return [landed(dict(row), landing) for row in rows]


def ledger_frame(engine: sa.Engine) -> pd.DataFrame:
    """Every file that ever landed, by path and arrival: the columns of `LEDGER_COLUMNS`, all text."""
    import pandas as pd

    table = landed_file.c
    columns = [table.path.label("file"), *(table[name] for name in LEDGER_COLUMNS[1:])]
    query = sa.select(*columns).where(table.role != INDEX_ROLE).order_by(table.path, table.received_at, table.id)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return pd.DataFrame(rows, columns=list(LEDGER_COLUMNS), dtype="string")


def patients_with_files(engine: sa.Engine) -> list[str]:
    """Patients that have an accepted file, sorted."""
    table = landed_file.c
    query = sa.select(table.patient_id).distinct().where(table.status == Status.ACCEPTED, table.patient_id != "")
    with engine.connect() as connection:
        return sorted(connection.execute(query).scalars())
