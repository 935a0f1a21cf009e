"""Checks of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.platform.checks import row_check, schema_check
from palbo_assets.release.tables import COHORT_REPORT
from palbo_assets.study.partitions import COHORT

if TYPE_CHECKING:
    import pandas as pd

LARGEST_MAILABLE_PAGE = 10_000_000  # bytes; mail servers commonly refuse attachments above 10 MB


@row_check(COHORT_REPORT, COHORT, description="Pages fit into a mail (10 MB)")
def page_can_be_mailed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["bytes"] > LARGEST_MAILABLE_PAGE]


@row_check(COHORT_REPORT, COHORT, description="A page counts no more pairs than patients")
def pairs_are_patients(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["n_pairs"] > rows["n_patients"]]


CHECKS = [schema_check(COHORT_REPORT, COHORT), page_can_be_mailed, pairs_are_patients]
