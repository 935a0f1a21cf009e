"""Assets of identity that see the whole study: whose sample each is, and which of them nothing may rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palbo_assets.clinical.tables import PATIENTS
from palbo_assets.ctdna.tables import PLASMA_SNP_GENOTYPES
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import COHORT
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import (
    IDENTITY_FAILURES,
    IDENTITY_MATCHES,
    READ_QC,
    RNA_SNP_GENOTYPES,
    SEX_CONCORDANCE,
    SNP_GENOTYPES,
)

if TYPE_CHECKING:
    import pandas as pd


@product(
    IDENTITY_MATCHES,
    COHORT,
    upstream=(SNP_GENOTYPES, PLASMA_SNP_GENOTYPES, RNA_SNP_GENOTYPES),
    settings=Settings,
    code_version="2",
    group="wes",
    kinds={"numpy", "sql"},
)
def identity_matches(
    step: Step, snp_genotypes: pd.DataFrame, plasma_snp_genotypes: pd.DataFrame, rna_snp_genotypes: pd.DataFrame
) -> pd.DataFrame:
    """Every sequenced sample against every other of the study: whose it is, and whose it seems to be instead."""
    import pandas as pd

    from palbo_assets.wes.cohort_identity import FAILED, matched_rows

    counts = [frame for frame in (snp_genotypes, plasma_snp_genotypes, rna_snp_genotypes) if not frame.empty]
    rows = matched_rows(pd.concat(counts, ignore_index=True), step.settings) if counts else []
    failed = [row for row in rows if row["verdict"] in FAILED]
    step.report(samples=len(rows), failed=len(failed))
    return frame_from_rows(IDENTITY_MATCHES, rows)


@product(
    SEX_CONCORDANCE,
    COHORT,
    upstream=(PATIENTS, READ_QC, SNP_GENOTYPES, IDENTITY_MATCHES),
    settings=Settings,
    code_version="1",
    group="wes",
    kinds={"numpy", "sql"},
)
def sex_concordance(
    step: Step,
    patients: pd.DataFrame,
    read_qc: pd.DataFrame,
    snp_genotypes: pd.DataFrame,
    identity_matches: pd.DataFrame,
) -> pd.DataFrame:
    """The recorded sex of each patient against depth of X and Y and heterozygosity of X in the blood."""
    from palbo_assets.wes.sex_concordance import DISCORDANT, sex_rows

    rows = sex_rows(patients, read_qc, snp_genotypes, identity_matches, step.settings)
    step.report(patients=len(rows), discordant=sum(row["agreement"] == DISCORDANT for row in rows))
    return frame_from_rows(SEX_CONCORDANCE, rows)


@product(
    IDENTITY_FAILURES,
    COHORT,
    upstream=(IDENTITY_MATCHES, SEX_CONCORDANCE),
    by_patient=True,
    code_version="2",
    group="wes",
    kinds={"sql"},
)
def identity_failures(step: Step, identity_matches: pd.DataFrame, sex_concordance: pd.DataFrame) -> pd.DataFrame:
    """The samples that aren't their patient's, by genotypes or by sex. Pair products read their patient's rows of this.

    It holds nothing that changes when other patients' samples arrive, so that they make no pair due.
    """
    from palbo_assets.wes.cohort_identity import failures

    rows = failures(identity_matches, sex_concordance)
    step.report(failed=len(rows))
    return frame_from_rows(IDENTITY_FAILURES, rows)
