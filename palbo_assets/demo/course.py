"""The course of every patient of the twin: what is planted, and what an honest platform must conclude from it.

Twelve patients have a scripted course, so that each mechanism, each kind of absence and each planted fault occurs at
least once; further patients are drawn at random around the same biology and carry nothing that is tested by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palbo_assets.demo.truth import PatientTruth, PlantedMutation, SampleTruth

if TYPE_CHECKING:
    import numpy as np

    from palbo_assets.demo.genome import MiniGenome

SCRIPTED = 12
BASELINE_DAY = -7
ON_TREATMENT_DAYS = {"W06": 42, "W12": 84}
BIOPSY_AFTER_PROGRESSION = 5  # days

IHC_DEFAULT: Mapping[str, float] = {"CD3": 420.0, "CD8": 180.0, "FOXP3": 45.0, "CD20": 60.0, "CD68": 150.0}


@dataclass(frozen=True)
class Change:
    """What differs at one timepoint from the patient's baseline."""

    gained: tuple[tuple[str, str, float], ...] = ()  # (gene, protein change, cancer cell fraction)
    lost: tuple[str, ...] = ()  # protein changes
    copy_number: Mapping[str, int] = field(default_factory=dict)  # gene -> total copies
    subtype: str = ""
    expression_log2fc: Mapping[str, float] = field(default_factory=dict)
    til_pct: float | None = None
    cyclin_e1_h_score: float | None = None
    nrg1_pg_ml: float | None = None
    facs: Mapping[str, float] = field(default_factory=dict)
    wbc_per_ul: float | None = None
    apobec: bool = False  # whether APOBEC3 left passengers in the tissue


@dataclass(frozen=True)
class Course:
    """One patient's script. ``mutations`` are clonal at baseline; transitions name what the platform must conclude."""

    cohorts: tuple[str, ...]
    pfs_days: int
    pfs_event: bool
    response: str
    mutations: tuple[tuple[str, str, float], ...] = ()
    copy_number: Mapping[str, int] = field(default_factory=dict)  # gene -> total copies at baseline; 2 where absent
    segments: str = ""  # copy-number tool whose segments come with the exomes
    subtype: str = "LumA"
    purity: float = 0.6
    til_pct: float = 10.0
    changes: Mapping[str, Change] = field(default_factory=dict)
    withdrawn: bool = False
    transitions: Mapping[str, str] = field(default_factory=dict)
    on_treatment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # timepoint -> mechanisms to be PRESENT


TREG = "Treg"
LYMPHOCYTES = ("T", "B", "NK")
LYMPHOCYTES_PCT = (26.0, 33.0)  # of the leukocytes

COURSES: tuple[Course, ...] = (
    Course(
        ("BANK", "PAIR"), 520, True, "PR",
        mutations=(("PIK3CA", "p.H1047R", 1.0),),
        # One mutated copy of RB1, and the other parent's lost.
        changes={"PD": Change(gained=(("RB1", "p.R320*", 0.9), ("ESR1", "p.D538G", 0.9)), copy_number={"RB1": 1})},
        segments="facets",
        transitions={
            "PIK3CA_ACT": "preexisting", "ESR1_MUT": "acquired", "RB1_LOF": "acquired", "RB1_LOF_CTDNA": "acquired",
            "RB1_LOSS": "acquired", "FGFR1_AMP": "stable_absent",
        },
    ),
    Course(
        ("BANK", "PAIR"), 410, True, "SD",
        mutations=(("PIK3CA", "p.E545K", 1.0),),
        changes={
            "PD": Change(
                # FAT1 isn't on the plasma panel: this is what the panel's extension is for.
                gained=(("ESR1", "p.Y537S", 0.9), ("FAT1", "p.R250*", 0.9)),
                copy_number={"CCNE1": 7},
                expression_log2fc={"CCNE1": 2.5},
                cyclin_e1_h_score=170.0,
            )
        },
        segments="purple",
        transitions={
            "PIK3CA_ACT": "preexisting", "ESR1_MUT": "acquired", "CCNE1_HIGH": "gained", "CCNE1_AMP": "gained",
            "RB1_LOSS": "stable_absent", "FAT1_LOF": "acquired",
        },
    ),
    Course(
        ("BANK", "PAIR"), 150, True, "PD",
        mutations=(("TP53", "p.R175H", 1.0),),
        # The HER2-enriched profile carries more CCNE1, which is not what is planted here.
        changes={
            "PD": Change(
                subtype="Her2", til_pct=34.0, nrg1_pg_ml=1500.0, expression_log2fc={"CCNE1": -1.2}, apobec=True
            )
        },
        segments="cnvkit",  # without a purity
        transitions={
            "RB1_LOSS": "not_evaluable", "FGFR1_AMP": "not_evaluable",
            "TP53_MUT": "preexisting", "SUBTYPE_SWITCH": "gained", "NRG1_RISE": "gained", "IMMUNE_CHANGE": "gained",
        },
    ),
    Course(
        ("BANK", "PAIR", "TIL"), 610, True, "SD",
        mutations=(("PIK3CA", "p.H1047R", 1.0),),
        changes={
            "W06": Change(facs={TREG: 0.36}, wbc_per_ul=3600.0),
            "W12": Change(facs={TREG: 0.33}, wbc_per_ul=3400.0),
            "PD": Change(copy_number={"RB1": 0}),
        },
        segments="facets",
        transitions={"PIK3CA_ACT": "preexisting", "RB1_LOSS": "acquired"},
        on_treatment={"W06": ("TREG_DROP",), "W12": ("TREG_DROP",)},
    ),
    Course(("BANK", "TIL"), 480, False, "SD", changes={"W06": Change(wbc_per_ul=3800.0), "W12": Change()}),
    Course(
        ("BANK", "PAIR"), 300, True, "SD",
        mutations=(("AKT1", "p.E17K", 1.0),),
        changes={"PD": Change()},
        transitions={"AKT1_ACT": "not_evaluable"},
    ),
    Course(
        ("BANK", "PAIR"), 350, True, "PR",
        mutations=(("GATA3", "p.P409fs", 1.0),),
        changes={"PD": Change(gained=(("KRAS", "p.G12D", 0.9),))},
        transitions={"RAS_ACT": "not_evaluable"},
    ),
    Course(("BANK", "PAIR"), 260, True, "SD", changes={"PD": Change()}, withdrawn=True),
    Course(("BANK",), 200, False, "SD", mutations=(("PIK3CA", "p.H1047R", 1.0),), subtype="LumB"),
    Course(
        ("BANK", "PAIR"), 330, True, "SD",
        mutations=(("PIK3CA", "p.E542K", 1.0),),
        changes={"PD": Change()},
        transitions={"PIK3CA_ACT": "preexisting"},
    ),
    Course(
        ("BANK", "PAIR"), 420, True, "PR",
        changes={"PD": Change(gained=(("PTEN", "p.R233*", 0.9),))},
        # Baseline's tissue is lost; its plasma was measured, and can't say.
        transitions={"PTEN_LOF": "pd_only_indeterminate"},
    ),
    Course(
        ("BANK", "PAIR"), 700, True, "CR",
        mutations=(("ERBB2", "p.S310F", 0.9), ("PIK3CA", "p.H1047R", 1.0)),
        copy_number={"FGFR1": 8},
        changes={"PD": Change(lost=("p.S310F",))},
        segments="ascat",
        transitions={"ERBB2_ACT": "lost", "PIK3CA_ACT": "preexisting", "FGFR1_AMP": "preexisting"},
    ),
)  # fmt: skip


def patients(count: int, genome: MiniGenome, rng: np.random.Generator, facs: Mapping[str, float]) -> list[PatientTruth]:
    """The twin's patients: the scripted ones, then ``count - SCRIPTED`` drawn at random."""
    courses = [*COURSES, *(_drawn_course(rng) for _ in range(count - SCRIPTED))]
    return [_patient(number, course, genome, rng, facs) for number, course in enumerate(courses, start=1)]


def patient_id(number: int) -> str:
    return f"PALBO-{number:03d}"


def _drawn_course(rng: np.random.Generator) -> Course:
    """A patient without a script: hormone-receptor-positive disease, PIK3CA in four of ten, progression in most."""
    progressed = bool(rng.random() < 0.6)
    mutations = (("PIK3CA", "p.H1047R", 1.0),) if rng.random() < 0.4 else ()
    acquired = (("ESR1", "p.D538G", 0.8),) if progressed and rng.random() < 0.37 else ()
    return Course(
        ("BANK", "PAIR") if progressed else ("BANK",),
        int(rng.integers(120, 900)),
        progressed,
        str(rng.choice(["PR", "SD"])),
        mutations=mutations,
        subtype=str(rng.choice(["LumA", "LumB"])),
        til_pct=float(rng.uniform(4, 30)),
        changes={"PD": Change(gained=acquired)} if progressed else {},
        transitions={"ESR1_MUT": "acquired"} if acquired else {},
    )


def _patient(
    number: int, course: Course, genome: MiniGenome, rng: np.random.Generator, facs: Mapping[str, float]
) -> PatientTruth:
    name = patient_id(number)
    baseline = SampleTruth(
        patient_id=name,
        timepoint="BL",
        day=BASELINE_DAY,
        purity=course.purity,
        mutations=tuple(_mutation(genome, *planted) for planted in course.mutations),
        copy_number=dict(course.copy_number),
        subtype=course.subtype,
        til_pct=course.til_pct,
        til_marker_density={marker: value * rng.lognormal(0, 0.15) for marker, value in IHC_DEFAULT.items()},
        cyclin_e1_h_score=float(rng.uniform(30, 60)),
        cyclin_e2_h_score=float(rng.uniform(20, 40)),
        nrg1_pg_ml=float(rng.uniform(250, 600)),
        wbc_per_ul=float(rng.uniform(5200, 7200)),
        facs_pct_parent=_with_lymphocytes(facs, float(rng.uniform(*LYMPHOCYTES_PCT))),
    )
    samples = {"BL": baseline}
    for timepoint, change in course.changes.items():
        day = ON_TREATMENT_DAYS.get(timepoint, course.pfs_days + BIOPSY_AFTER_PROGRESSION)
        samples[timepoint] = _changed(baseline, timepoint, day, change, genome, rng)
    return PatientTruth(
        patient_id=name,
        site="SMC" if number % 2 else "SNUH",
        cohorts=course.cohorts,
        genotypes=tuple(int(value) for value in rng.binomial(2, 0.5, len(genome.snps))),
        pfs_days=course.pfs_days,
        pfs_event=course.pfs_event,
        best_overall_response=course.response,
        withdrawn=course.withdrawn,
        samples=samples,
    )


def _changed(
    baseline: SampleTruth, timepoint: str, day: int, change: Change, genome: MiniGenome, rng: np.random.Generator
) -> SampleTruth:
    from dataclasses import replace

    from palbo_assets.demo.apobec import passengers

    def near(value: float, share: float = 0.08) -> float:
        return float(value * rng.lognormal(0, share))

    kept = tuple(mutation for mutation in baseline.mutations if mutation.hgvsp_short not in change.lost)
    wbc = change.wbc_per_ul or near(baseline.wbc_per_ul, 0.05)
    return replace(
        baseline,
        timepoint=timepoint,
        day=day,
        mutations=(*kept, *(_mutation(genome, *planted) for planted in change.gained)),
        copy_number={**baseline.copy_number, **change.copy_number},
        passengers=passengers(genome) if change.apobec else (),
        subtype=change.subtype or baseline.subtype,
        expression_log2fc=dict(change.expression_log2fc),
        til_pct=change.til_pct if change.til_pct is not None else near(baseline.til_pct),
        til_marker_density={marker: near(value) for marker, value in baseline.til_marker_density.items()},
        cyclin_e1_h_score=change.cyclin_e1_h_score or near(baseline.cyclin_e1_h_score, 0.05),
        cyclin_e2_h_score=near(baseline.cyclin_e2_h_score, 0.05),
        nrg1_pg_ml=change.nrg1_pg_ml or near(baseline.nrg1_pg_ml, 0.05),
        facs_pct_parent={
            population: share * change.facs.get(population, 1.0)
            for population, share in baseline.facs_pct_parent.items()
        },
        wbc_per_ul=wbc,
    )


def _with_lymphocytes(facs: Mapping[str, float], pct: float) -> dict[str, float]:
    """The shares with ``pct`` % lymphocytes among the leukocytes, at the cost of the granulocytes."""
    before = sum(facs[name] for name in LYMPHOCYTES)
    return {
        **facs,
        **{name: facs[name] * pct / before for name in LYMPHOCYTES},
        "granulocytes": facs["granulocytes"] + before - pct,
    }


def _mutation(genome: MiniGenome, gene: str, change: str, ccf: float) -> PlantedMutation:
    chrom, pos, ref, alt, consequence = genome.mutation(gene, change)
    return PlantedMutation(gene, chrom, pos, ref, alt, change, consequence, ccf, plasma_vaf=0.03 * ccf)


def segment_tools() -> dict[str, str]:
    """Patient -> copy-number tool whose segments come with the patient's exomes."""
    return {patient_id(number): course.segments for number, course in enumerate(COURSES, start=1) if course.segments}


def expected_on_treatment() -> dict[str, dict[str, list[str]]]:
    """Patient -> timepoint -> mechanisms that must be PRESENT on treatment."""
    return {
        patient_id(number): {timepoint: list(codes) for timepoint, codes in course.on_treatment.items()}
        for number, course in enumerate(COURSES, start=1)
        if course.on_treatment
    }


def expected_transitions(count: Sequence[PatientTruth]) -> dict[str, dict[str, str]]:
    """Patient -> mechanism -> transition that the platform must conclude for the scripted patients."""
    return {
        patient_id(number): dict(course.transitions)
        for number, course in enumerate(COURSES[: len(count)], start=1)
        if not course.withdrawn
    }
