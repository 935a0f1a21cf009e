"""Raw files of the flow cytometry: FCS 3.1 with spill as the cytometer stores it, its controls, and the blood counts.

Keys of ``SampleTruth.facs_pct_parent`` are the populations of `HEALTHY_PCT_PARENT` (percent of the parent that
`cytometry/populations.yaml` gives them), which states what a key that isn't given means. ``granulocytes`` not given are
what the others leave of 97 % of CD45, at most 60; what is left of 100 is ``lineage_negative``.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    "NKT": 4.0,
    "Treg": 6.0,
    "Treg_naive": 20.0,
    "Treg_effector": 50.0,
    "CD4_naive": 38.0,
    "CD4_central_memory": 30.0,
    "CD4_effector_memory": 28.0,
    "CD8_naive": 30.0,
    "CD8_central_memory": 12.0,
    "CD8_effector_memory": 33.0,
    "CD4_PD1": 10.0,
    "CD8_PD1": 18.0,
    "CD4_activated": 3.0,
    "CD8_activated": 6.0,
    "B_naive": 60.0,
    "B_memory": 32.0,
    "plasmablasts": 3.0,
    "NK_bright": 10.0,
    "NK_dim": 84.0,
    "monocytes_intermediate": 12.0,
    "M_MDSC": 8.0,
    "PMN_MDSC": 4.0,
    "monocytes_nonclassical": 35.0,
    "DC": 20.0,
    "DC_myeloid": 65.0,
    "DC_plasmacytoid": 30.0,
    "early_MDSC": 10.0,
}
EVENTS = 30_000
CONTROL_EVENTS = 1_500
STAINED_UL = 100.0
_BEADS = ("V900-A", "Beads", 180_000.0, 12_000.0)  # detector, label, signal, FSC-A
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
    ("U379-A", "CD45RA BUV395"),
    ("U450-A", "CCR7 BUV496"),
    ("U560-A", "HLA-DR BUV563"),
    ("U610-A", "CD38 BUV615"),
    ("U660-A", "CD16 BUV661"),
    ("U735-A", "CD27 BUV737"),
    ("U805-A", "CD11c BUV805"),
    ("V660-A", "CD123 BV650"),
    ("V710-A", "CD15 BV711"),
    ("V750-A", "IgD BV750"),
    ("V785-A", "CD33 BV786"),
    ("G660-A", "LOX-1 PE-Cy5"),
    ("R710-A", "FOXP3 AF680"),
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
    ("U379-A", "V450-A"): 0.02,
    ("U560-A", "G575-A"): 0.08,
    ("U610-A", "V610-A"): 0.06,
    ("U660-A", "R660-A"): 0.07,
    ("U735-A", "R730-A"): 0.05,
    ("U805-A", "R780-A"): 0.04,
    ("V660-A", "R660-A"): 0.05,
    ("V710-A", "V750-A"): 0.10,
    ("V785-A", "R780-A"): 0.03,
    ("G660-A", "B710-A"): 0.06,
    ("R710-A", "R730-A"): 0.14,
}
_MARKERS = tuple(label.split(" ")[0] for _, label in PANEL)
_NEGATIVE = 40.0  # median autofluorescence
# Median linear intensity of what isn't negative, by kind of cell and by what is planted within a kind.
_BRIGHT: Mapping[str, Mapping[str, float]] = {
    "CD4": {"CD45": 30000, "CD3": 12000, "CD4": 15000, "CD127": 4000, "CD25": 250, "CD27": 3000},
    "CD8": {"CD45": 30000, "CD3": 12000, "CD8": 20000, "CD127": 2500, "CD27": 3000},
    "DN": {"CD45": 28000, "CD3": 14000},
    "B": {"CD45": 25000, "CD19": 12000, "HLA-DR": 8000, "CCR7": 3000, "CD45RA": 9000, "CD38": 300},
    "NK": {"CD45": 28000, "CD56": 5000, "CD45RA": 9000, "CD38": 900},
    "monocytes": {"CD45": 18000, "CD14": 20000, "HLA-DR": 8000, "CD33": 8000, "CD11c": 6000, "CD38": 900},
    "granulocytes": {"CD45": 8000, "CD15": 15000, "CD16": 20000, "CD33": 900},
    "other": {"CD45": 9000},
    "CD45-": {},
    "dead": {"CD45": 12000, "Viability": 30000},
    "Treg": {"CD127": 150, "CD25": 6000, "FOXP3": 1200},
    "Treg_effector": {"FOXP3": 9000},
    "naive": {"CD45RA": 10000, "CCR7": 4000},
    "central_memory": {"CCR7": 4000},
    "effector_memory": {},
    "TEMRA": {"CD45RA": 10000},
    "NKT": {"CD56": 6000},
    "PD1": {"PD-1": 5000},
    "activated": {"HLA-DR": 5000, "CD38": 5000},
    "B_naive": {"IgD": 8000},
    "B_memory": {"CD27": 5000},
    "plasmablasts": {"CD38": 40000},
    "NK_bright": {"CD56": 60000},
    "NK_dim": {"CD16": 12000},
    "monocytes_intermediate": {"CD16": 6000},
    "M_MDSC": {"HLA-DR": 150},
    "PMN_MDSC": {"LOX-1": 5000},
    "monocytes_nonclassical": {"HLA-DR": 6000, "CD16": 15000, "CD11c": 6000},
    "DC": {"HLA-DR": 9000},
    "DC_myeloid": {"CD11c": 9000, "CD33": 4000},
    "DC_plasmacytoid": {"CD123": 9000},
    "early_MDSC": {"CD33": 6000},
}
_COMPENSATION_BEAD = 15_000.0  # median linear intensity of beads that bind an antibody
_SPREAD = 0.40  # standard deviation of the log intensity
_SCATTER = {"granulocytes": (105000.0, 150000.0), "monocytes": (115000.0, 75000.0), "dead": (50000.0, 60000.0)}
_LYMPHOCYTE = (75000.0, 30000.0)  # FSC-A, SSC-A


def write(
    truth: SampleTruth,
    folder: Path,
    rng: np.random.Generator,
    *,
    events: int = EVENTS,
    spread: float = _SPREAD,
    brightness: float = 1.0,
    gains: Mapping[str, float] | None = None,
    spill_inside: bool = True,
    beads: int = 0,
) -> list[WrittenFile]:
    """The stained tube of one sample: 24 colours, uncompensated, ``$SPILLOVER`` inside.

    ``brightness`` is that of all fluorochromes against autofluorescence; ``gains`` of markers stand for detectors at
    other voltages; what isn't named has 1. With ``beads`` the tube holds so many counting beads besides, in a channel
    of their own. Without ``spill_inside`` the matrix has to come from elsewhere.
    """
    planted = _plant(planted_pct_parent(truth), events, rng)
    return [
        _write_fcs(
            truth,
            folder,
            rng,
            planted,
            _MARKERS,
            spread=spread,
            brightness=brightness,
            gains=gains or {},
            spill_inside=spill_inside,
            beads=beads,
        )
    ]


def write_unstained(truth: SampleTruth, folder: Path, rng: np.random.Generator) -> list[WrittenFile]:
    """A planted fault: the unstained control of a sample, delivered as the sample."""
    planted = _plant(planted_pct_parent(truth), EVENTS, rng)
    return [_write_fcs(truth, folder, rng, planted, (), spread=_SPREAD, gains={})]


def write_control(
    truth: SampleTruth,
    folder: Path,
    rng: np.random.Generator,
    without: str = "",
    gains: Mapping[str, float] | None = None,
) -> list[WrittenFile]:
    """A control tube of a sample: ``without`` one marker's fluorochrome, or unstained when none is named."""
    planted = _plant(planted_pct_parent(truth), EVENTS, rng)
    kept = tuple(marker for marker in _MARKERS if without and marker != without)
    kind = f"FMO {without}" if without else "unstained"
    return [_write_fcs(truth, folder, rng, planted, kept, spread=_SPREAD, gains=gains or {}, control=kind)]


def write_controls(truth: SampleTruth, folder: Path, rng: np.random.Generator) -> list[WrittenFile]:
    """All control tubes of a sample whose file carries no matrix: unstained, FMO PD-1, and each stain alone."""
    pct = planted_pct_parent(truth)
    kinds = [("unstained", ()), ("FMO PD-1", tuple(one for one in _MARKERS if one != "PD-1"))]
    kinds += [(f"single {marker}", (marker,)) for marker in _MARKERS]
    written = []
    for kind, kept in kinds:
        events = EVENTS if kind.startswith("FMO") else CONTROL_EVENTS
        planted = _plant(pct, events, rng)
        whole = kind.startswith("single")
        written.append(
            _write_fcs(
                truth,
                folder,
                rng,
                planted,
                kept,
                spread=_SPREAD,
                gains={},
                control=kind,
                spill_inside=False,
                alone=whole,
            )
        )
    return written


def write_cbc(
    samples: Sequence[SampleTruth],
    folder: Path,
    rng: np.random.Generator,
    late: Mapping[tuple[str, str], int] | None = None,
    beads: Mapping[tuple[str, str], int] | None = None,
) -> list[WrittenFile]:
    """Blood counts of all samples, drawn within a day of the cytometry.

    Parameters
    ----------
    late
        (patient_id, timepoint) -> days from the draw, for counts that are too far away to be used.
    beads
        (patient_id, timepoint) -> counting beads acquired with the tube of `EVENTS`, of which 100 uL were stained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["patient_id,timepoint,wbc_per_ul,alc_per_ul,anc_per_ul,days_from_draw,beads_per_tube,blood_ul"]
    for sample in sorted(samples, key=lambda one: (one.patient_id, one.day)):
        near = int(rng.integers(-1, 2))
        days = (late or {}).get((sample.patient_id, sample.timepoint), near)
        lymphocytes = sum(planted_per_ul(sample, name) for name in ("T", "B", "NK"))
        counts = f"{sample.wbc_per_ul:.0f},{lymphocytes:.0f},{planted_per_ul(sample, 'granulocytes'):.0f}"
        acquired = (beads or {}).get((sample.patient_id, sample.timepoint))
        in_tube = "," if acquired is None else f"{_beads_in_tube(sample, acquired):.0f},{STAINED_UL:.0f}"
        lines.append(f"{sample.patient_id},{sample.timepoint},{counts},{days},{in_tube}")
    path = folder / "cbc.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [WrittenFile(path.name, "facs", "cbc")]


def _beads_in_tube(sample: SampleTruth, acquired: int) -> float:
    """Beads of the whole tube, when ``acquired`` of them came with the leukocytes of `EVENTS`."""
    pct = planted_pct_parent(sample)
    leukocytes = EVENTS * pct["singlets"] / 100 * pct["live"] / 100 * pct["CD45"] / 100
    return sample.wbc_per_ul * STAINED_UL * acquired / leukocytes


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


def planted_per_ul(truth: SampleTruth, *path: str) -> float:
    """Cells of a population in blood [cells/uL], by its path below the leukocytes (``"T", "CD4"``).

    The blood count and the tube are of one blood: a sample's leukocytes and its shares say all of its counts.
    """
    pct = planted_pct_parent(truth)
    return truth.wbc_per_ul * math.prod(pct[name] / 100 for name in path)


@dataclass(frozen=True)
class _Planted:
    """What every event is: its kind, what else is planted in it (name -> events), and whether it is a single cell."""

    kinds: NDArray[np.str_]
    within: Mapping[str, NDArray[np.intp]]
    single: NDArray[np.bool_]


def _plant(pct: Mapping[str, float], events: int, rng: np.random.Generator) -> _Planted:
    """Exactly the planted shares, rounded to whole events."""
    singlets = round(events * pct["singlets"] / 100)
    live = round(singlets * pct["live"] / 100)
    leukocytes = round(live * pct["CD45"] / 100)
    counts = {name: round(leukocytes * pct[name] / 100) for name in ("B", "NK", "monocytes", "granulocytes")}
    t = round(leukocytes * pct["T"] / 100)
    cd4, cd8 = round(t * pct["CD4"] / 100), round(t * pct["CD8"] / 100)
    counts |= {
        "CD4": cd4,
        "CD8": cd8,
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
    kinds += [kinds[index * len(kinds) // (events - singlets)] for index in range(events - singlets)]
    order = rng.permutation(events)
    kind_of = np.array(kinds)[order]
    return _Planted(kind_of, _plant_within(pct, kind_of, rng), order < singlets)


def _plant_within(
    pct: Mapping[str, float], kind_of: NDArray[np.str_], rng: np.random.Generator
) -> dict[str, NDArray[np.intp]]:
    """Sub-populations of the kinds. Those of one list exclude one another; lists are drawn independently."""
    found: dict[str, NDArray[np.intp]] = {}

    def draw(parent: NDArray[np.intp], *names: str) -> None:
        mixed, start = rng.permutation(parent), 0
        for name in names:
            stop = start + round(parent.size * pct[name] / 100)
            found[name] = mixed[start:stop]
            start = stop

    def of(kind: str) -> NDArray[np.intp]:
        return np.flatnonzero(kind_of == kind)

    draw(of("CD4"), "Treg")
    draw(found["Treg"], "Treg_naive", "Treg_effector")
    # Differentiation: regulatory cells are naive, effector or (the rest) central memory, the others fill up the shares.
    tregs = {
        "naive": found["Treg_naive"],
        "effector_memory": found["Treg_effector"],
        "central_memory": np.setdiff1d(found["Treg"], np.concatenate([found["Treg_naive"], found["Treg_effector"]])),
    }
    others, start = rng.permutation(np.setdiff1d(of("CD4"), found["Treg"])), 0
    for stage in ("naive", "central_memory", "effector_memory"):
        stop = start + max(round(of("CD4").size * pct[f"CD4_{stage}"] / 100) - tregs[stage].size, 0)
        found[f"CD4_{stage}"] = np.concatenate([others[start:stop], tregs[stage]])
        start = stop
    found["CD4_TEMRA"] = others[start:]
    stages = ("CD8_naive", "CD8_central_memory", "CD8_effector_memory")
    draw(of("CD8"), *stages)
    found["CD8_TEMRA"] = np.setdiff1d(of("CD8"), np.concatenate([found[stage] for stage in stages]))
    t_cells = np.flatnonzero(np.isin(kind_of, ("CD4", "CD8", "DN")))
    draw(t_cells, "NKT")
    for name in ("CD4_PD1", "CD4_activated", "CD8_PD1", "CD8_activated"):
        draw(of(name[:3]), name)
    draw(of("B"), "B_naive", "B_memory")
    found["plasmablasts"] = found["B_memory"][: round(of("B").size * pct["plasmablasts"] / 100)]
    draw(of("NK"), "NK_bright", "NK_dim")
    draw(of("monocytes"), "monocytes_intermediate")
    draw(of("monocytes"), "M_MDSC")
    draw(of("granulocytes"), "PMN_MDSC")
    draw(of("other"), "monocytes_nonclassical", "DC", "early_MDSC")
    draw(found["DC"], "DC_myeloid", "DC_plasmacytoid")
    return found


def _signal(planted: _Planted) -> NDArray[np.float64]:
    """Median intensity of every event and marker above autofluorescence (events x markers)."""
    signal = np.zeros((planted.kinds.size, len(PANEL)))

    def shine(events: NDArray[np.bool_] | NDArray[np.intp], name: str) -> None:
        for marker, median in _BRIGHT[name].items():
            signal[events, _MARKERS.index(marker)] = median

    for kind in np.unique(planted.kinds):
        shine(planted.kinds == kind, str(kind))
    for name, events in planted.within.items():
        if name in _BRIGHT:
            shine(events, name)
        elif name[4:] in _BRIGHT:  # CD4_naive: as in CD8
            shine(events, name[4:])
    return signal


def _write_fcs(
    truth: SampleTruth,
    folder: Path,
    rng: np.random.Generator,
    planted: _Planted,
    stained: Sequence[str],
    *,
    spread: float,
    gains: Mapping[str, float],
    brightness: float = 1.0,
    control: str = "",
    spill_inside: bool = True,
    beads: int = 0,
    alone: bool = False,
) -> WrittenFile:
    from flowio import create_fcs

    size = planted.kinds.size
    signal = _signal(planted)
    if alone:  # compensation beads: half of them bind the one antibody, whatever cells show
        signal[:] = 0.0
        signal[: size // 2, [_MARKERS.index(marker) for marker in stained]] = _COMPENSATION_BEAD
    signal[:, [at for at, marker in enumerate(_MARKERS) if marker not in stained]] = 0.0
    signal *= brightness * np.exp(rng.normal(0.0, spread, signal.shape))
    signal += _NEGATIVE * np.exp(rng.normal(0.0, 0.5, signal.shape))
    signal[~planted.single] *= 1.8
    signal *= [gains.get(marker, 1.0) for marker in _MARKERS]
    detectors = [detector for detector, _ in PANEL]
    spill = np.eye(len(PANEL))
    for (source, target), share in _SPILL.items():
        spill[detectors.index(source), detectors.index(target)] = share
    observed = signal @ spill
    # Counting statistics of the photons: what makes compensated negatives scatter around zero.
    observed += rng.normal(0.0, 1.0, observed.shape) * np.sqrt(25.0 + 0.6 * observed)
    scatter = np.array([_SCATTER.get(kind, _LYMPHOCYTE) for kind in planted.kinds.tolist()])
    scatter = scatter * np.exp(rng.normal(0.0, 0.10, scatter.shape))
    area, side = scatter[:, 0], scatter[:, 1]
    height = area * rng.normal(0.92, 0.02, size)
    area = np.where(planted.single, area, area * 1.9)  # two cells one after the other: twice the area, hardly higher
    time = np.sort(rng.uniform(0.0, 60_000.0, size))
    values = np.column_stack([area, height, side, observed, time]).clip(-1000.0, 262_143.0)
    names = ["FSC-A", "FSC-H", "SSC-A", *detectors, "Time"]
    labels = ["", "", "", *(label for _, label in PANEL), ""]
    if beads:
        values = _with_beads(values, beads, rng.spawn(1)[0])
        names.insert(-1, _BEADS[0])
        labels.insert(-1, _BEADS[1])
    cells = ",".join(f"{cell:g}" for cell in spill.ravel())
    keywords = {
        **({"SPILLOVER": f"{len(detectors)},{','.join(detectors)},{cells}"} if spill_inside else {}),
        "TIMESTEP": "0.01",
        "CYT": "FACSymphony",
        # Ten times the light for 100 V, as photomultipliers roughly do.
        **{
            f"P{at}V": f"{500 + 100 * np.log10(gains.get(marker, 1.0)):.0f}"
            for at, marker in enumerate(_MARKERS, start=4)
        },
        **({f"P{4 + len(_MARKERS)}V": "400"} if beads else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f"-{control.replace(' ', '-')}.control.fcs" if control else ".fcs"
    path = folder / f"{specimen_id(truth)}{suffix}"
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
        "control" if control else "fcs",
        patient_id=truth.patient_id,
        timepoint=truth.timepoint,
        specimen_id=specimen_id(truth),
        sample_name=control,
    )


def _with_beads(values: NDArray[np.float64], beads: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The events with a channel for counting beads before the time, and the beads among them."""
    _, _, light, size = _BEADS
    cells = np.insert(values, -1, rng.normal(0.0, 30.0, len(values)), axis=1)
    added = rng.normal(0.0, 30.0, (beads, cells.shape[1]))
    added[:, 0] = size * np.exp(rng.normal(0.0, 0.05, beads))
    added[:, 1] = 0.92 * added[:, 0]
    added[:, 2] = 60_000.0
    added[:, -2] = light * np.exp(rng.normal(0.0, 0.05, beads))
    added[:, -1] = rng.uniform(0.0, 60_000.0, beads)
    mixed = np.concatenate([cells, added])
    return mixed[np.argsort(mixed[:, -1], kind="stable")]
