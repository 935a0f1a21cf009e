"""What the release room publishes."""

from __future__ import annotations

from palbo_assets.platform.tables import Table, integer, text

COHORT_REPORT = Table(
    name="cohort_report",
    description="Pages for people, each one self-contained HTML file",
    grain="page",
    columns=(
        text("page", "Name of the page; the file is named so, in the pages of the installation", key=True),
        text("title", "Title of the page", nullable=False),
        text("sha256", "Checksum of the page", nullable=False),
        integer("bytes", "Size of the page", unit="By", nullable=False, minimum=1),
        integer("n_patients", "Patients on the page", nullable=False, minimum=0),
        integer("n_pairs", "Patients with both a baseline and a progression sample that can be compared", minimum=0),
    ),
)

TABLES = (COHORT_REPORT,)
