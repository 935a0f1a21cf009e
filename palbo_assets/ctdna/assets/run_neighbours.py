"""Alleles of a plasma that other libraries of its sequencing run may have lent it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.steps import GROUP, READS, panel_of, plasmas
from palbo_assets.ctdna.tables import CTDNA_CALLS, CTDNA_CONTROLS, CTDNA_INDEX_HOPPING, CTDNA_RUN_QC
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import COHORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from palbo_assets.ctdna.index_hopping import Carriers, Question
    from palbo_assets.genomics.alleles import Variant
    from palbo_assets.landing.files import LandedFile


@product(
    CTDNA_INDEX_HOPPING,
    COHORT,
    reads=READS,
    roles=("consensus_bam", "raw_umi_bam", "control_bam", "panel_bed"),
    upstream=(CTDNA_CALLS, CTDNA_RUN_QC, CTDNA_CONTROLS),
    references=("genome_fasta",),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"bam", "scipy", "sql"},
    by_patient=True,
)
def ctdna_index_hopping(
    step: Step, ctdna_calls: pd.DataFrame, ctdna_run_qc: pd.DataFrame, ctdna_controls: pd.DataFrame
) -> pd.DataFrame:
    """Alleles that another library of the run holds at more molecules: how many of the plasma's are that library's.

    Reads are looked at only where two libraries of a run, plasmas or controls, show the same allele, one of them at a
    small fraction.
    """
    from palbo_assets.ctdna.index_hopping import answer, questions

    files = {file.specimen_id: file for file in plasmas(step)}
    libraries = {file.sha256: file for file in [*files.values(), *step.files("control_bam")]}
    hashes = {specimen: file.sha256 for specimen, file in files.items()}
    asked = questions(ctdna_calls, ctdna_run_qc, ctdna_controls, hashes, step.settings)
    carriers = _carriers(step, libraries, asked)
    rows: list[dict[str, Any]] = []
    for question in asked:
        mine, *others = (carriers.get((sha256, question.allele)) for sha256 in (question.own, *question.others))
        rows.append(answer(question, mine, others, step.settings))
    frame = frame_from_rows(CTDNA_INDEX_HOPPING, rows)
    step.report(alleles=len(rows), explained=int((frame["verdict"] == "explained").sum()))
    return frame


def _carriers(
    step: Step, libraries: Mapping[str, LandedFile], asked: Iterable[Question]
) -> dict[tuple[str, Variant], Carriers]:
    """(library, allele) -> its molecules; a library that can't be read has none, and doesn't stop the others."""
    from palbo_assets.ctdna.index_hopping import carriers_of
    from palbo_assets.ctdna.molecules import fasta_reference
    from palbo_assets.ctdna.umi import find_umi, stated_source

    wanted: dict[str, set[Variant]] = {}
    for question in asked:
        for sha256 in (question.own, *question.others):
            wanted.setdefault(sha256, set()).add(question.allele)
    fasta = step.references.get("genome_fasta")
    found: dict[tuple[str, Variant], Carriers] = {}
    for sha256, alleles in sorted(wanted.items()):
        file = libraries[sha256]
        panel = panel_of(step, file)
        if panel is None or fasta is None:
            continue
        try:
            raw = file.role == "raw_umi_bam"
            source = (stated_source(file.facts) or find_umi(file.path)) if raw else None
            carriers = carriers_of(
                file.path, sorted(alleles), source, panel, fasta_reference(fasta), step.settings, step.workdir
            )
        except InputError:
            continue
        found |= {(sha256, allele): one for allele, one in carriers.items()}
    return found
