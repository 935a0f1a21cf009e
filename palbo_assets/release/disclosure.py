"""What a release leaves out because it would identify a person: germline genotypes.

Exomes can't be made anonymous. Somatic findings, gene-level values and measurements of a specimen may be shared under a
data-use agreement; genotypes and germline alleles stay in the controlled tier (NIH Genomic Data Sharing Policy 2014;
Erlich and Narayanan, Nat Rev Genet 2014: some 30 to 80 independent SNPs name a person).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from palbo_assets.ctdna.tables import (
    CTDNA_CALLS,
    CTDNA_MOLECULES,
    CTDNA_ORIGINS,
    PATIENT_GENOTYPES,
    PLASMA_SNP_GENOTYPES,
)
from palbo_assets.resistance.tables import ACQUIRED_ALTERATIONS
from palbo_assets.wes.tables import RNA_SNP_GENOTYPES, SNP_GENOTYPES

if TYPE_CHECKING:
    import pandas as pd

GERMLINE = "GERMLINE"
ALLELE = ["patient_id", "chrom", "pos", "ref", "alt"]

WITHHELD: Mapping[str, str] = {
    SNP_GENOTYPES.name: "genotypes at the identity SNPs",
    PLASMA_SNP_GENOTYPES.name: "genotypes at the identity SNPs",
    RNA_SNP_GENOTYPES.name: "genotypes at the identity SNPs",
    CTDNA_MOLECULES.name: "alleles at every base of the panel, germline ones among them",
}
"""Tables that no open release holds, each with the reason."""

WITH_ALLELES = (CTDNA_CALLS.name, CTDNA_ORIGINS.name, PATIENT_GENOTYPES.name, ACQUIRED_ALTERATIONS.name)
"""Tables of alleles of which those that a patient was born with are left out."""


def germline_alleles(origins: pd.DataFrame) -> pd.DataFrame:
    """Alleles (patient, place, bases) that the patient's white cells show to be germline, from ``ctdna_origins``."""
    return origins.loc[origins["origin"] == GERMLINE, ALLELE].drop_duplicates(ignore_index=True)


def without_germline(table: str, rows: pd.DataFrame, germline: pd.DataFrame) -> pd.DataFrame:
    """``rows`` of a table of alleles without the patients' own germline alleles; of other tables all rows."""
    if table not in WITH_ALLELES or rows.empty or germline.empty:
        return rows
    known = set(germline.itertuples(index=False, name=None))
    born_with = [allele in known for allele in rows[ALLELE].itertuples(index=False, name=None)]
    return rows[[not one for one in born_with]].reset_index(drop=True)
