"""Quality of one expression sample: a verdict with its reasons, from gene counts and TPM.

Source of the limits that fail a sample: Liu 2022, BMC Medical Genomics (130 FFPE breast biopsies); of the others: field
convention, see the room's settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from palbo_assets.rnaseq.gene_summary import tpm_by_symbol
from palbo_assets.rnaseq.library_metrics import LibraryMetrics
from palbo_assets.rnaseq.settings import Settings
from palbo_assets.rnaseq.symbols import Renaming
from palbo_assets.study.vocabulary import Qc

if TYPE_CHECKING:
    import pandas as pd

HAEMOGLOBIN = ("HBA1", "HBA2", "HBB")
HEPATOCYTE = ("ALB", "APOA1")
MITOCHONDRIAL_PREFIX = "MT-"
X_GENE, Y_GENE = "XIST", "RPS4Y1"


def assess(
    genes: pd.DataFrame,
    settings: Settings,
    *,
    counters: Mapping[str, float] | None = None,
    strandedness: str = "",
    tpm_reason: str = "",
    unmapped_share: float = 0.0,
    metrics: LibraryMetrics | None = None,
    renaming: Renaming | None = None,
    aliases_known: bool = True,
) -> dict[str, Any]:
    """Quality measures and verdict.

    Parameters
    ----------
    genes
        Rows of one sample: ``gene_id, gene_symbol, count, tpm``.
    counters
        Reads that fell on no gene, as STAR or HTSeq list them.
    unmapped_share
        Share of reads on transcripts without a gene.
    metrics
        What an aligner or a metrics tool says of the library, where the lab delivers it.
    aliases_known
        Whether HGNC's names were there to bring symbols up to date.

    Returns
    -------
    dict
        The measures of the table ``rna_qc``. What can't be measured (shares by symbol without symbols, detection
        without TPM) is None and judges nothing; ``reasons`` lists what failed or warned, ``not_judged`` what couldn't
        be judged.
    """
    failures: list[str] = []
    warnings: list[str] = []
    not_judged: list[str] = []
    assigned = float(genes["count"].sum())
    tpm = tpm_by_symbol(genes)
    has_tpm = not tpm.empty
    detected_1 = int((genes["tpm"] > settings.expressed_tpm).sum()) if has_tpm else None
    detected_4 = int((genes["tpm"] > settings.clearly_expressed_tpm).sum()) if has_tpm else None
    metrics = metrics or LibraryMetrics()
    mapped = metrics.mapped_share if metrics.mapped_share is not None else _mapped_share(assigned, counters or {})
    symbols = genes["gene_symbol"].astype("string")
    mito = _share(genes, symbols.str.startswith(MITOCHONDRIAL_PREFIX), assigned)
    haemoglobin = _share(genes, symbols.isin(HAEMOGLOBIN), assigned)
    housekeeping = [gene for gene in settings.housekeeping_genes if gene in tpm.index]
    silent = [gene for gene in housekeeping if tpm[gene] <= settings.expressed_tpm]

    if assigned < settings.assigned_reads_min:
        failures.append("LOW_ASSIGNED_READS")
    if detected_4 is None:
        not_judged.append(f"DETECTED_GENES ({tpm_reason or 'NO_TPM'})")
    elif len(genes) < settings.whole_transcriptome_genes:
        not_judged.append("DETECTED_GENES (targeted annotation)")
    elif detected_4 < settings.detected_genes_min:
        failures.append("FEW_DETECTED_GENES")
    if mapped is None:
        not_judged.append("MAPPED_SHARE")
    elif mapped < settings.mapped_share_warn:
        (failures if mapped < settings.mapped_share_fail else warnings).append("LOW_MAPPED_SHARE")
    for name, share, most in (
        ("MITOCHONDRIAL", mito, settings.mito_share_max),
        ("HAEMOGLOBIN", haemoglobin, settings.haemoglobin_share_max),
    ):
        if share is None:
            not_judged.append(f"{name}_SHARE")
        elif share > most:
            warnings.append(f"HIGH_{name}_SHARE")
    if metrics.three_prime_ratio is None:
        not_judged.append("THREE_PRIME_BIAS")
    elif not 1 / settings.three_prime_ratio_max <= metrics.three_prime_ratio <= settings.three_prime_ratio_max:
        warnings.append("THREE_PRIME_BIAS")
    if metrics.ribosomal_share is not None and metrics.ribosomal_share > settings.ribosomal_share_max:
        warnings.append("HIGH_RIBOSOMAL_SHARE")
    if metrics.exonic_share is not None and metrics.exonic_share < settings.exonic_share_min:
        warnings.append("LOW_EXONIC_SHARE")
    if not aliases_known:
        not_judged.append("SYMBOL_ALIASES (REFERENCE_MISSING: hgnc_aliases)")
    if not housekeeping:
        not_judged.append("HOUSEKEEPING")
    elif silent:
        (failures if len(silent) == len(housekeeping) else warnings).append("SILENT_HOUSEKEEPING")
    if strandedness == "undetermined":
        warnings.append("STRAND_UNDETERMINED")
    if unmapped_share > settings.unmapped_transcripts_warn:
        warnings.append("UNMAPPED_TRANSCRIPTS")
    verdict = Qc.FAIL if failures else Qc.WARN if warnings else Qc.PASS
    return {
        "assigned_reads": assigned,
        "genes_annotated": len(genes),
        "genes_tpm_above_1": detected_1,
        "genes_tpm_above_4": detected_4,
        "mapped_share": mapped,
        "mito_share": mito,
        "haemoglobin_share": haemoglobin,
        "hepatocyte_share": _share(genes, symbols.isin(HEPATOCYTE), assigned),
        "three_prime_ratio": metrics.three_prime_ratio,
        "ribosomal_share": metrics.ribosomal_share,
        "exonic_share": metrics.exonic_share,
        "symbols_renamed": renaming.renamed if renaming else None,
        "symbols_repaired": renaming.repaired if renaming else None,
        "symbols_ambiguous": renaming.ambiguous if renaming and aliases_known else None,
        "xist_tpm": _tpm_of(tpm, X_GENE),
        "rps4y1_tpm": _tpm_of(tpm, Y_GENE),
        "housekeeping_expressed": len(housekeeping) - len(silent) if housekeeping else None,
        "housekeeping_total": len(housekeeping) if housekeeping else None,
        "tpm_sum": float(tpm.sum()) if has_tpm else None,
        "unmapped_share": unmapped_share,
        "strandedness": strandedness or None,
        "verdict": str(verdict),
        "reasons": "; ".join([*failures, *warnings]),
        "not_judged": "; ".join(not_judged),
    }


def _mapped_share(assigned: float, counters: Mapping[str, float]) -> float | None:
    """Share of reads that aligned; None where the table doesn't count the unaligned ones."""
    unmapped = counters.get("N_unmapped", counters.get("__not_aligned"))
    total = assigned + sum(counters.values())
    return None if unmapped is None or total <= 0 else 1 - unmapped / total


def _share(genes: pd.DataFrame, chosen: pd.Series, assigned: float) -> float | None:
    """Share of reads on the chosen genes; None where the annotation has none of them."""
    chosen = chosen.fillna(False).astype(bool)
    if not chosen.any() or assigned <= 0:
        return None
    return float(genes.loc[chosen, "count"].sum()) / assigned


def _tpm_of(tpm: pd.Series, gene: str) -> float | None:
    return float(tpm[gene]) if gene in tpm.index else None
