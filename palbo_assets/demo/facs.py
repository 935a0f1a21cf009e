"""Raw files of the flow cytometry: FCS 3.1 with spill as the cytometer stores it, and the blood counts.

Keys of ``SampleTruth.facs_pct_parent`` (percent of the parent in brackets), with what a key that isn't given means:
``singlets`` (all events) 92, ``live`` (singlets) 90, ``CD45`` (live) 97; of CD45: ``T`` 22, ``B`` 3.5, ``NK`` 4,
``monocytes`` 7, ``granulocytes`` 60 or what the others leave of 97 (at most 100 together, the rest is CD45+ without
lineage); of T: ``CD4`` 62, ``CD8`` 32 (at most 100 together); ``Treg`` (CD4) 6; ``CD8_PD1`` (CD8) 18.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from palbo_assets.demo.truth import SampleTruth, WrittenFile

HEALTHY_PCT_PARENT: Mapping[str, float] = {
    "singlets": 92.0,
    "live": 90.0,
    "CD45": 97.0,
    "T": 22.0,
    "B": 3.5,
    "NK": 4.0,
    "monocytes": 7.0,
    "granulocytes": 60.0,
    "CD4": 62.0,
    "CD8": 32.0,
    "Treg": 6.0,
    "CD8_PD1": 18.0,
}
EVENTS = 30_000
PANEL = (  # detector, what the operator typed into $PnS
    ("B530-A", "CD3 FITC"),
    ("B710-A", "CD45 PerCP-Cy5.5"),
    ("R660-A", "CD25 APC"),
    ("R730-A", "CD19 AF700"),
    ("R780-A", "CD14 APC-H7"),
    ("V450-A", "CD8 BV421"),
    ("V525-A", "Viability FVS510"),
    ("V610-A", "CD127 BV605"),
    ("G575-A", "PD-1 PE"),
    ("G610-A", "CD56 PE-CF594"),
    ("G780-A", "CD4 PE-Cy7"),
)
_SPILL = {  # main neighbours of the fluorochromes (share of the signal seen there)
    ("B530-A", "G575-A"): 0.06,
    ("B530-A", "V525-A"): 0.02,
    ("B710-A", "R730-A"): 0.08,
    ("B710-A", "G780-A"): 0.04,
    ("R660-A", "R730-A"): 0.12,
    ("R660-A", "R780-A"): 0.03,
    ("R730-A", "R780-A"): 0.15,
    ("R780-A", "R730-A"): 0.03,
    ("V450-A", "V525-A"): 0.10,
    ("V525-A", "V610-A"): 0.14,
    ("V525-A", "B530-A"): 0.01,
    ("V610-A", "G610-A"): 0.05,
    ("G575-A", "G610-A"): 0.13,
    ("G575-A", "B710-A"): 0.02,
    ("G610-A", "G575-A"): 0.07,
    ("G610-A", "B710-A"): 0.09,
    ("G780-A", "R780-A"): 0.04,
}
_MARKERS = tuple(label.split(" ")[0] for _, label in PANEL)
_NEGATIVE = 40.0  # median autofluorescence
# Median linear intensity of what isn't negative, by kind of cell.
_BRIGHT: Mapping[str, Mapping[str, float]] = {
    "CD4": {"CD45": 30000, "CD3": 12000, "CD4": 15000, "CD127": 4000, "CD25": 250},
    "Treg": {"CD45": 30000, "CD3": 11000, "CD4": 14000, "CD127": 150, "CD25": 6000},
    "CD8": {"CD45": 30000, "CD3": 12000, "CD8": 20000, "CD127": 2500},
    "CD8_PD1": {"CD45": 30000, "CD3": 12000, "CD8": 20000, "CD127": 1500, "PD-1": 5000},
    "DN": {"CD45": 28000, "CD3": 14000},
    "B": {"CD45": 25000, "CD19": 12000},
    "NK": {"CD45": 28000, "CD56": 7000},
    "monocytes": {"CD45": 18000, "CD14": 20000},
    "granulocytes": {"CD45": 8000},
    "other": {"CD45": 9000},
    "CD45-": {},
    "dead": {"CD45": 12000, "Viability": 30000},
}
_SPREAD = 0.40  # standard deviation of the log intensity
_SCATTER = {"granulocytes": (105000.0, 150000.0), "monocytes": (115000.0, 75000.0), "dead": (50000.0, 60000.0)}
_LYMPHOCYTE = (75000.0, 30000.0)  # FSC-A, SSC-A


def write(truth: SampleTruth, folder: Path, rng: np.random.Generator) -> list[WrittenFile]:
    """The stained tube of one sample: 30,000 events, 11 colours, uncompensated, ``$SPILLOVER`` inside."""
    kinds, singlet = _cells(planted_pct_parent(truth))
    return [_write_fcs(truth, folder, rng, kinds, singlet, stained=True)]


def write_unstained(truth: SampleTruth, folder: Path, rng: np.random.Generator) -> list[WrittenFile]:
    """A planted fault: the unstained control of a sample, delivered as the sample."""
    kinds, singlet = _cells(planted_pct_parent(truth))
    return [_write_fcs(truth, folder, rng, kinds, singlet, stained=False)]


def write_cbc(
    samples: Sequence[SampleTruth],
    folder: Path,
    rng: np.random.Generator,
    late: Mapping[tuple[str, str], int] | None = None,
) -> list[WrittenFile]:
    """Blood counts of all samples, drawn within a day of the cytometry.

    Parameters
    ----------
    late
        (patient_id, timepoint) -> days from the draw, for counts that are too far away to be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["patient_id,timepoint,wbc_per_ul,alc_per_ul,days_from_draw"]
    for sample in sorted(samples, key=lambda one: (one.patient_id, one.day)):
        near = int(rng.integers(-1, 2))
        days = (late or {}).get((sample.patient_id, sample.timepoint), near)
        counts = f"{sample.wbc_per_ul:.0f},{sample.lymphocytes_per_ul:.0f}"
        lines.append(f"{sample.patient_id},{sample.timepoint},{counts},{days}")
    path = folder / "cbc.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [WrittenFile(path.name, "facs", "cbc")]


def specimen_id(sample: SampleTruth) -> str:
    """The blood tube's name."""
    return f"{sample.patient_id}-{sample.timepoint}-WB"


def planted_pct_parent(truth: SampleTruth) -> dict[str, float]:
    """What the tube of a sample holds: the truth's shares, completed where it doesn't state them (% of the parent)."""
    pct = {**HEALTHY_PCT_PARENT, **truth.facs_pct_parent}
    if "granulocytes" not in truth.facs_pct_parent:
        taken = sum(pct[name] for name in ("T", "B", "NK", "monocytes"))
        pct["granulocytes"] = min(pct["granulocytes"], max(97.0 - taken, 0.0))
    return pct


def _cells(pct: Mapping[str, float]) -> tuple[list[str], NDArray[np.bool_]]:
    """The kind of every event and whether it is a single cell, in exactly the planted shares (rounded)."""
    singlets = round(EVENTS * pct["singlets"] / 100)
    live = round(singlets * pct["live"] / 100)
    leukocytes = round(live * pct["CD45"] / 100)
    counts = {name: round(leukocytes * pct[name] / 100) for name in ("B", "NK", "monocytes", "granulocytes")}
    t = round(leukocytes * pct["T"] / 100)
    cd4, cd8 = round(t * pct["CD4"] / 100), round(t * pct["CD8"] / 100)
    treg, cd8_pd1 = round(cd4 * pct["Treg"] / 100), round(cd8 * pct["CD8_PD1"] / 100)
    counts |= {
        "CD4": cd4 - treg,
        "Treg": treg,
        "CD8": cd8 - cd8_pd1,
        "CD8_PD1": cd8_pd1,
        "DN": t - cd4 - cd8,
        "other": leukocytes - t - sum(counts.values()),
        "CD45-": live - leukocytes,
        "dead": singlets - live,
    }
    short = sorted(name for name, count in counts.items() if count < 0)
    if short:
        raise ValueError(f"populations of one parent exceed 100 %: nothing is left for {', '.join(short)}")
    kinds = [name for name, count in counts.items() for _ in range(count)]
    # Doublets are made of whatever the tube holds.
    kinds += [kinds[index * len(kinds) // (EVENTS - singlets)] for index in range(EVENTS - singlets)]
    return kinds, np.arange(EVENTS) < singlets


def _write_fcs(
    truth: SampleTruth,
    folder: Path,
    rng: np.random.Generator,
    kinds: Sequence[str],
    singlet: NDArray[np.bool_],
    *,
    stained: bool,
) -> WrittenFile:
    from flowio import create_fcs

    order = rng.permutation(EVENTS)
    kind_of = np.array(kinds)[order]
    single = singlet[order]
    signal = np.zeros((EVENTS, len(PANEL)))
    if stained:
        for kind, bright in _BRIGHT.items():
            events = kind_of == kind
            for marker, median in bright.items():
                signal[events, _MARKERS.index(marker)] = median
    signal *= np.exp(rng.normal(0.0, _SPREAD, signal.shape))
    signal += _NEGATIVE * np.exp(rng.normal(0.0, 0.5, signal.shape))
    signal[~single] *= 1.8
    detectors = [detector for detector, _ in PANEL]
    spill = np.eye(len(PANEL))
    for (source, target), share in _SPILL.items():
        spill[detectors.index(source), detectors.index(target)] = share
    observed = signal @ spill
    # Counting statistics of the photons: what makes compensated negatives scatter around zero.
    observed += rng.normal(0.0, 1.0, observed.shape) * np.sqrt(25.0 + 0.6 * observed)
    scatter = np.array([_SCATTER.get(kind, _LYMPHOCYTE) for kind in kind_of])
    scatter = scatter * np.exp(rng.normal(0.0, 0.10, scatter.shape))
    area, side = scatter[:, 0], scatter[:, 1]
    height = area * rng.normal(0.92, 0.02, EVENTS)
    area = np.where(single, area, area * 1.9)  # two cells pass one after the other: twice the area, hardly higher
    time = np.sort(rng.uniform(0.0, 60_000.0, EVENTS))
    values = np.column_stack([area, height, side, observed, time]).clip(-1000.0, 262_143.0)
    names = ["FSC-A", "FSC-H", "SSC-A", *detectors, "Time"]
    labels = ["", "", "", *(label for _, label in PANEL), ""]
    cells = ",".join(f"{cell:g}" for cell in spill.ravel())
    keywords = {
        "SPILLOVER": f"{len(detectors)},{','.join(detectors)},{cells}",
        "TIMESTEP": "0.01",
        "CYT": "LSRFortessa",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{specimen_id(truth)}.fcs"
    with path.open("wb") as handle:
        create_fcs(
            handle,
            array("f", values.astype("<f4").tobytes()),
            names,
            opt_channel_names=labels,
            metadata_dict=keywords,
        )
    return WrittenFile(
        path.name,
        "facs",
        "fcs",
        patient_id=truth.patient_id,
        timepoint=truth.timepoint,
        specimen_id=specimen_id(truth),
    )
