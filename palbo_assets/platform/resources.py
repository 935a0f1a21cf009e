"""Dagster resources that every product needs: the installation (warehouse, references) and the landing's files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import dagster as dg

from palbo_assets.platform.config import Home
from palbo_assets.platform.provenance import InputFile
from palbo_assets.platform.references import ReferenceBundle
from palbo_assets.platform.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd


class LandingProvider(Protocol):
    """What products may ask of the landing zone; the landing room implements it."""

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[InputFile]:
        """Accepted, current files of these modalities; with a patient, that patient's and the cohort's and batches'."""

    def ledger_frame(self) -> pd.DataFrame:
        """Every file that ever landed, with its status and reason."""

    def state(self) -> str:
        """Hash of the ledger's content."""


class InstallationResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One installation. Empty values are taken from PALBO_HOME, PALBO_DATABASE_URL and PALBO_REFERENCE."""

    root: str = ""
    database_url: str = ""
    reference: str = ""

    @cached_property
    def home(self) -> Home:
        if not self.root:
            return Home.from_environment()
        return Home.at(Path(self.root), self.database_url, Path(self.reference) if self.reference else None)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.home)

    @cached_property
    def references(self) -> ReferenceBundle:
        return ReferenceBundle.load(self.home.reference)

    def __repr__(self) -> str:
        # The database URL may hold a password.
        return "InstallationResource()"
