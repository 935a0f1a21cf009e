"""The landing zone as products see it: a Dagster resource over the landing ledger."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.landing import files
from palbo_assets.platform.resources import InstallationResource

if TYPE_CHECKING:
    import pandas as pd


class LandingResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Accepted files, and the ledger of everything that ever landed."""

    installation: dg.ResourceDependency[InstallationResource]

    def accepted(self, modalities: Sequence[str], patient_id: str | None = None) -> list[Any]:
        """Accepted, current files; with a patient, that patient's and those that hold many patients."""
        home = self.installation.home
        found = files.accepted_files(self.installation.warehouse.engine, home.landing, modalities=modalities)
        return [file for file in found if patient_id is None or file.patient_id in (patient_id, "")]

    def ledger_frame(self) -> "pd.DataFrame":
        return files.ledger_frame(self.installation.warehouse.engine)

    def state(self) -> str:
        """Hash of the ledger: changes when a file lands or its status changes."""
        return hashlib.sha256(self.ledger_frame().to_csv(index=False).encode("utf-8")).hexdigest()
