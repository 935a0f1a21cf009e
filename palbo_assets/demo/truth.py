"""What is planted in the twin: the truth of every sample, from which each modality's raw files are rendered.

Writers of raw files (``demo/<modality>.py``) read a :class:`SampleTruth` and never invent biology of their own; the
planted truth is written to ``truth.json`` apart from the landing zone, and only tests read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PlantedMutation:
    """A somatic variant of the twin's small genome (1-based, left-aligned VCF alleles)."""

    gene: str
    chrom: str
    pos: int
    ref: str
    alt: str
    hgvsp_short: str
    consequence: str
    ccf: float  # share of tumour cells that carry it
    plasma_vaf: float  # variant allele fraction in the plasma of the same timepoint; 0 when it isn't shed


@dataclass(frozen=True)
class SampleTruth:
    """One patient at one timepoint.

    Fractions lie in 0..1, percentages in 0..100. A value that the protocol doesn't plan here is still stated: what
    gets delivered is decided by the delivery plan, not by the truth.
    """

    patient_id: str
    timepoint: str
    day: int  # days from first dose
    purity: float
    mutations: tuple[PlantedMutation, ...] = ()
    copy_number: Mapping[str, int] = field(default_factory=dict)  # gene -> total copies; 2 where absent
    subtype: str = "LumA"  # LumA, LumB, Her2, Basal
    expression_log2fc: Mapping[str, float] = field(default_factory=dict)  # gene -> shift against the subtype's profile
    til_pct: float = 10.0  # % of stromal area occupied by mononuclear cells
    til_marker_density: Mapping[str, float] = field(default_factory=dict)  # marker -> cells/mm2 in stroma
    cyclin_e1_h_score: float = 40.0
    cyclin_e2_h_score: float = 30.0
    nrg1_pg_ml: float = 400.0
    facs_pct_parent: Mapping[str, float] = field(default_factory=dict)  # population -> % of its parent
    wbc_per_ul: float = 6000.0
    passengers: tuple[PlantedMutation, ...] = ()  # of the tissue alone, outside genes' coding sequence


@dataclass(frozen=True)
class PatientTruth:
    """One patient: germline genotypes at the identity SNPs (0, 1, 2 alternative alleles) and the course of disease."""

    patient_id: str
    site: str
    cohorts: tuple[str, ...]  # of PAIR, BANK, TIL
    genotypes: tuple[int, ...]
    pfs_days: int
    pfs_event: bool
    best_overall_response: str
    withdrawn: bool = False
    samples: Mapping[str, SampleTruth] = field(default_factory=dict)  # by timepoint


@dataclass(frozen=True)
class WrittenFile:
    """A raw file that a writer put into a delivery folder: one manifest row. ``file`` is relative to the delivery."""

    file: str
    modality: str
    role: str
    patient_id: str = ""
    timepoint: str = ""
    specimen_id: str = ""
    sample_name: str = ""
    genome_build: str = ""
    panel_version: str = ""
