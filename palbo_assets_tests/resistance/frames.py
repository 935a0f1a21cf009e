"""Hand-made rows of the modalities' tables, in their declared types."""

from __future__ import annotations

from typing import Any

import pandas as pd

from palbo_assets.clinical.tables import DELIVERY_LEDGER, PATIENTS, SAMPLE_MANIFEST, TREATMENT_RESPONSE
from palbo_assets.ctdna.tables import CTDNA_CALLS, CTDNA_QC, PATIENT_GENOTYPES
from palbo_assets.platform.tables import Table, frame_from_rows
from palbo_assets.resistance.settings import Settings
from palbo_assets.resistance.state_rows import StateRow
from palbo_assets.resistance.states import patient_states
from palbo_assets.resistance.tables import CATALOGUE, FACTS, MECHANISMS
from palbo_assets.serum.tables import NRG1_ELISA
from palbo_assets.wes.tables import GENE_COPY_NUMBER, READ_QC, SAMPLE_IDENTITY, SOMATIC_CALLS

SETTINGS = Settings.model_validate({})
P = "PALBO-001"

D538G = {"chrom": "chr6", "pos": 100, "ref": "A", "alt": "G", "gene": "ESR1", "hgvsp_short": "p.D538G"}
Y537S = {"chrom": "chr6", "pos": 97, "ref": "A", "alt": "C", "gene": "ESR1", "hgvsp_short": "p.Y537S"}
H1047R = {"chrom": "chr3", "pos": 50, "ref": "A", "alt": "G", "gene": "PIK3CA", "hgvsp_short": "p.H1047R"}
R320X = {
    "chrom": "chr13", "pos": 500, "ref": "C", "alt": "T", "gene": "RB1", "hgvsp_short": "p.R320*",
    "consequence": "Nonsense_Mutation", "lof": True,
}  # fmt: skip
E137FS = {
    "chrom": "chr13", "pos": 300, "ref": "GA", "alt": "G", "gene": "RB1", "hgvsp_short": "p.E137fs",
    "consequence": "Frame_Shift_Del", "lof": True,
}  # fmt: skip


def rows_of(table: Table, *rows: dict[str, Any]) -> pd.DataFrame:
    return frame_from_rows(table, list(rows))


def specimen(timepoint: str, kind: str = "T") -> dict[str, str]:
    return {"patient_id": P, "timepoint": timepoint, "specimen_id": f"{P}-{timepoint}-{kind}"}


def somatic(
    timepoint: str, variant: dict[str, Any], *, vaf: float = 0.3, depth: int = 200, **more: Any
) -> dict[str, Any]:
    """A called variant."""
    return {
        **specimen(timepoint),
        "consequence": "Missense_Mutation",
        "lof": False,
        "hotspot": True,
        **variant,
        "t_depth": depth,
        "t_alt": round(depth * vaf),
        "t_vaf": round(depth * vaf) / depth,
        "n_depth": 80,
        "n_alt": 0,
        "filter": "PASS",
        "source": "bam",
        "forced": False,
        "evaluable": True,
        **more,
    }


def forced(
    timepoint: str,
    variant: dict[str, Any],
    *,
    depth: int,
    alt: int = 0,
    expected: float = 0.1,
    called: bool = False,
    trace: bool = False,
    state: str = "NOT_EVALUABLE",
    kind: str = "tumour",
    **more: Any,
) -> dict[str, Any]:
    """A variant counted in one of the patient's samples."""
    return {
        **specimen(timepoint, {"tumour": "T", "plasma": "P", "normal": "N"}[kind]),
        "sample_kind": kind,
        "found_in": "tissue",
        "consequence": "Missense_Mutation",
        "lof": False,
        "hotspot": True,
        **variant,
        "depth": depth,
        "alt_count": alt,
        "called": called,
        "trace": trace,
        "expected_vaf": expected,
        "state": state,
        **more,
    }


def gene_copies(
    timepoint: str,
    gene: str,
    state: str,
    copies: float | None = None,
    heterozygosity: str = "NOT_EVALUABLE",
    **more: Any,
) -> dict[str, Any]:
    """A gene's copy number."""
    return {
        **specimen(timepoint),
        "gene": gene,
        "chrom": "chr1",
        "state": state,
        "reason": "",
        "copies": copies,
        "min_exon_copies": copies,
        "heterozygosity": heterozygosity,
        "n_exons": 5,
        "exons_covered": 5,
        "amplified_from": 5,
        **more,
    }


def read_qc(timepoint: str, depth: float | None = 150.0, verdict: str = "pass") -> dict[str, Any]:
    return {**specimen(timepoint), "tumour_mean_depth": depth, "verdict": verdict, "reason": ""}


def identity(timepoint: str, verdict: str = "matched") -> dict[str, Any]:
    return {**specimen(timepoint), "verdict": verdict, "reason": "E_IDENTITY_MISMATCH" if verdict == "mismatch" else ""}


def plasma(
    timepoint: str, variant: dict[str, Any], state: str, *, vaf: float = 0.0, depth: int = 2000, **more: Any
) -> dict[str, Any]:
    return {
        **specimen(timepoint, "P"),
        "lof": False,
        **{name: value for name, value in variant.items() if name != "consequence"},
        "tracked": True,
        "state": state,
        "filter": "PASS",
        "chip_gene": False,
        "unique_depth": depth,
        "alt_molecules": round(depth * vaf),
        "vaf": vaf,
        "lod95_vaf": 0.002,
        "excluded_vaf": 0.005,
        "panel_version": "v1",
        "background": "healthy_plasma",
        **more,
    }


def plasma_qc(timepoint: str, verdict: str = "pass") -> dict[str, Any]:
    return {**specimen(timepoint, "P"), "verdict": verdict, "status": "OBSERVED", "panel_version": "v1"}


def fact(timepoint: str, feature: str, value: float | str | None, **more: Any) -> dict[str, Any]:
    text = isinstance(value, str)
    return {
        "patient_id": P,
        "timepoint": timepoint,
        "feature": feature,
        "value": None if text else value,
        "value_text": value if text else None,
        "unit": CATALOGUE[feature].unit,
        "censor": "",
        "status": "OBSERVED" if value is not None else "NOT_EVALUABLE",
        "reason": "" if value is not None else "TEST",
        "source_asset": CATALOGUE[feature].table,
        **more,
    }


def states(
    *,
    somatic_calls: tuple[dict[str, Any], ...] = (),
    genotypes: tuple[dict[str, Any], ...] = (),
    quality: tuple[dict[str, Any], ...] = (),
    identities: tuple[dict[str, Any], ...] = (),
    plasma_calls: tuple[dict[str, Any], ...] = (),
    plasma_quality: tuple[dict[str, Any], ...] = (),
    facts: tuple[dict[str, Any], ...] = (),
    plates: tuple[dict[str, Any], ...] = (),
    gene_copies: tuple[dict[str, Any], ...] = (),
    unpaired: dict[tuple[str, str], str] | None = None,
    settings: Settings = SETTINGS,
) -> list[StateRow]:
    """All states of the patient."""
    return patient_states(
        MECHANISMS,
        facts=rows_of(FACTS, *facts),
        somatic_calls=rows_of(SOMATIC_CALLS, *somatic_calls),
        patient_genotypes=rows_of(PATIENT_GENOTYPES, *genotypes),
        read_qc=rows_of(READ_QC, *quality),
        sample_identity=rows_of(SAMPLE_IDENTITY, *identities),
        ctdna_calls=rows_of(CTDNA_CALLS, *plasma_calls),
        ctdna_qc=rows_of(CTDNA_QC, *plasma_quality),
        nrg1_elisa=rows_of(NRG1_ELISA, *plates),
        gene_copy_number=rows_of(GENE_COPY_NUMBER, *gene_copies),
        settings=settings,
        unpaired=unpaired,
    )


def one(rows: list[StateRow], mechanism: str, timepoint: str, source: str) -> StateRow:
    return next(row for row in rows if (row.mechanism, row.timepoint, row.source) == (mechanism, timepoint, source))


def patient(patient_id: str = P, cohorts: str = "PAIR", *, withdrawn: bool = False) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "site": "SMC",
        "cohorts": cohorts,
        "withdrawn": withdrawn,
        "n_queries": 0,
        "treated": True,
    }


def patients(*rows: dict[str, Any]) -> pd.DataFrame:
    return rows_of(PATIENTS, *rows)


def responses(*rows: dict[str, Any]) -> pd.DataFrame:
    return rows_of(TREATMENT_RESPONSE, *rows)


def manifest(*rows: dict[str, Any]) -> pd.DataFrame:
    return rows_of(SAMPLE_MANIFEST, *rows)


def ledger(*rows: dict[str, Any]) -> pd.DataFrame:
    return rows_of(DELIVERY_LEDGER, *rows)
