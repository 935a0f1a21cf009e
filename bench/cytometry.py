"""Flow cytometry, from the file to the table of counts, against FlowKit and against reading the file alone.

    python bench/cytometry.py            # 1,000,000 events x 14 channels, 12 gates; 250 k / 1 M / 4 M for growth
    python bench/cytometry.py --smoke    # 200,000 events: equal counts and ratios that don't collapse

The tube is made from a seed: ten fluorochromes that spill into one another, the populations of blood as lognormal
clouds around zero or a bright median, doublets and dead cells; floats, as today's cytometers store them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import measure
import numpy as np

SEED = 160_190
COLOURS = ("Viability", "CD45", "CD3", "CD4", "CD8", "CD25", "CD127", "CD19", "CD56", "CD14")
CHANNELS = ("FSC-A", "FSC-H", "SSC-A", *(f"D{number}-A" for number in range(1, 11)), "Time")
SHARES = {  # of all events; the rest are granulocytes
    "CD4": 0.12, "Treg": 0.008, "CD8": 0.06, "B": 0.03, "NK": 0.03, "monocytes": 0.06, "dead": 0.09, "none": 0.03,
}  # fmt: skip
BRIGHT = {
    "CD4": {"CD45": 3e4, "CD3": 1.2e4, "CD4": 1.5e4, "CD127": 4e3, "CD25": 2.5e2},
    "Treg": {"CD45": 3e4, "CD3": 1.1e4, "CD4": 1.4e4, "CD127": 1.5e2, "CD25": 6e3},
    "CD8": {"CD45": 3e4, "CD3": 1.2e4, "CD8": 2e4, "CD127": 2.5e3},
    "B": {"CD45": 2.5e4, "CD19": 1.2e4},
    "NK": {"CD45": 2.8e4, "CD56": 7e3},
    "monocytes": {"CD45": 1.8e4, "CD14": 2e4},
    "granulocytes": {"CD45": 8e3},
    "dead": {"CD45": 1.2e4, "Viability": 3e4},
    "none": {},
}
STRATEGY = """
version: bench
logicle: {t: 262144, w: 0.5, m: 4.5, a: 0}
markers: {Viability: [VIABILITY], CD45: [CD45], CD3: [CD3], CD4: [CD4], CD8: [CD8], CD25: [CD25], CD127: [CD127],
  CD19: [CD19], CD56: [CD56], CD14: [CD14]}
functional: FUNCTIONAL
lymphocytes: [T, B, NK]
populations:
  singlets: {parent: root, polygon: {x: FSC-A, y: FSC-H, points: [[0.08, 0.05], [0.08, 0.12], [0.90, 0.95],
    [0.99, 0.95], [0.99, 0.82]]}}
  live: {parent: singlets, rectangle: {Viability: [null, 0.45]}}
  CD45: {parent: live, rectangle: {CD45: [0.45, null]}}
  T: {parent: CD45, rectangle: {CD3: [0.42, null], CD19: [null, 0.42]}}
  CD4: {parent: T, rectangle: {CD4: [0.42, null], CD8: [null, 0.42]}}
  CD8: {parent: T, rectangle: {CD8: [0.42, null], CD4: [null, 0.42]}}
  Treg: {parent: CD4, rectangle: {CD25: [0.46, null], CD127: [null, 0.38]}}
  memory: {parent: CD8, rectangle: {CD127: [0.40, 0.70]}}
  B: {parent: CD45, rectangle: {CD3: [null, 0.42], CD19: [0.42, null]}}
  NK: {parent: CD45, rectangle: {CD3: [null, 0.42], CD19: [null, 0.42], CD14: [null, 0.42], CD56: [0.42, null]}}
  monocytes: {parent: CD45, rectangle: {CD3: [null, 0.42], CD19: [null, 0.42], CD14: [0.42, null]}}
  granulocytes: {parent: CD45, rectangle: {CD3: [null, 0.42], CD19: [null, 0.42], CD14: [null, 0.42],
    CD56: [null, 0.42], SSC-A: [0.40, null]}}
"""


def spill() -> np.ndarray:
    """Neighbours see up to 15 % of one another, everything else up to 1 %."""
    rng = np.random.default_rng(SEED)
    matrix = rng.uniform(0, 0.01, (len(COLOURS),) * 2)
    for step in (-1, 1):
        matrix += np.diag(rng.uniform(0.02, 0.15, len(COLOURS) - 1), step)
    np.fill_diagonal(matrix, 1.0)
    return matrix.round(5)


def write_tube(path: Path, events: int) -> Path:
    """An FCS 3.1 file of ``events`` events."""
    rng = np.random.default_rng(SEED)
    matrix = spill()
    cells = ",".join(f"{cell:g}" for cell in matrix.ravel())
    keywords = {
        "$PAR": len(CHANNELS), "$TOT": events, "$MODE": "L", "$DATATYPE": "F", "$BYTEORD": "1,2,3,4",
        "$NEXTDATA": 0, "$BEGINSTEXT": 0, "$ENDSTEXT": 0, "$BEGINANALYSIS": 0, "$ENDANALYSIS": 0, "$TIMESTEP": "0.01",
        "$SPILLOVER": f"{len(COLOURS)},{','.join(CHANNELS[3:13])},{cells}",
    }  # fmt: skip
    for number, name in enumerate(CHANNELS, start=1):
        keywords |= {f"$P{number}N": name, f"$P{number}B": 32, f"$P{number}E": "0,0", f"$P{number}R": 262144}
        if 4 <= number <= 13:
            keywords[f"$P{number}S"] = COLOURS[number - 4]
    size = events * len(CHANNELS) * 4
    start = 8192
    keywords |= {"$BEGINDATA": start, "$ENDDATA": start + size - 1}
    text = "/" + "/".join(f"{key}/{value}" for key, value in keywords.items()) + "/"
    in_header = (start, start + size - 1) if start + size - 1 <= 99_999_999 else (0, 0)
    header = "FCS3.1    " + "".join(f"{at:8d}" for at in (58, 57 + len(text), *in_header, 0, 0))
    kinds = [*SHARES, "granulocytes"]
    share = [*SHARES.values(), 1 - sum(SHARES.values())]
    medians = np.array([[BRIGHT[kind].get(marker, 0.0) for marker in COLOURS] for kind in kinds])
    with path.open("wb") as handle:
        handle.write((header + text).encode().ljust(start))
        for done in range(0, events, 100_000):
            n = min(100_000, events - done)
            kind = rng.choice(len(kinds), n, p=share)
            signal = medians[kind] * np.exp(rng.normal(0, 0.4, (n, len(COLOURS))))
            signal += 40 * np.exp(rng.normal(0, 0.5, signal.shape))
            single = rng.random(n) < 0.92
            signal[~single] *= 1.8
            seen = signal @ matrix
            seen += rng.normal(0, 1, seen.shape) * np.sqrt(25 + 0.6 * seen)
            area = np.where(kind == len(kinds) - 1, 1.05e5, 7.5e4) * np.exp(rng.normal(0, 0.1, n))
            side = np.where(kind == len(kinds) - 1, 1.5e5, 3e4) * np.exp(rng.normal(0, 0.1, n))
            height = area * rng.normal(0.92, 0.02, n)
            time = done + np.sort(rng.uniform(0, n, n))
            area = np.where(single, area, 1.9 * area)
            values = np.column_stack([area, height, side, seen, time / 10]).clip(-1000, 262143)
            handle.write(values.astype("<f4").tobytes())
        handle.write(b"0" * 8)
    return path


def load(folder: Path, functional: bool) -> Any:
    from palbo_assets.cytometry.strategy import load_strategy

    path = folder / f"gates{functional}.yaml"
    path.write_text(STRATEGY.replace("FUNCTIONAL", "[CD25, CD127]" if functional else "[]"))
    return load_strategy(path)


def ours(fcs: Path, strategy: Any) -> dict[str, int]:
    """What the room does with a tube: read, compensate, gate, and make the rows of the table."""
    import pandas as pd

    from palbo_assets.cytometry.abundance import abundances
    from palbo_assets.cytometry.acquisition import count, read_acquisition
    from palbo_assets.cytometry.settings import Settings

    acquisition = read_acquisition(fcs, strategy)
    _, counted = count(acquisition, strategy)
    table = pd.DataFrame(abundances(counted, strategy.lymphocytes, None, Settings()))
    return dict(zip(table["population"], table["count"].astype(int), strict=True))


def oracle(strategy: Any) -> Any:
    """The same gates in FlowKit's words."""
    import flowkit as fk

    gating = fk.GatingStrategy()
    gating.add_comp_matrix("spill", fk.Matrix(spill(), list(CHANNELS[3:13])))
    scale = strategy.scale
    gating.add_transform("logicle", fk.transforms.LogicleTransform(scale.t, scale.w, scale.m, scale.a))
    gating.add_transform("linear", fk.transforms.LinearTransform(scale.t, 0))

    def dimension(marker: str, low: float | None = None, high: float | None = None) -> Any:
        if marker in COLOURS:
            return fk.Dimension(CHANNELS[3 + COLOURS.index(marker)], "spill", "logicle", low, high)
        return fk.Dimension(marker, "uncompensated", "linear", low, high)

    paths = {"root": ("root",)}
    for one in strategy.populations:
        if one.polygon:
            sides = [dimension(one.polygon.x), dimension(one.polygon.y)]
            gate = fk.gates.PolygonGate(one.name, sides, list(one.polygon.points))
        else:
            gate = fk.gates.RectangleGate(one.name, [dimension(m, *bounds) for m, bounds in one.rectangle.items()])
        gating.add_gate(gate, paths[one.parent])
        paths[one.name] = (*paths[one.parent], one.name)
    return gating


def flowkit(fcs: Path, gating: Any) -> dict[str, int]:
    import flowkit as fk

    report = gating.gate_sample(fk.Sample(str(fcs), sample_id="tube")).report
    return dict(zip(report["gate_name"], report["count"].astype(int), strict=True))


def read_only(fcs: Path) -> float:
    """The cheapest program that touches every value: the file into memory, and their sum."""
    values = np.fromfile(fcs, dtype="<f4", offset=8192, count=(fcs.stat().st_size - 8200) // 4)
    return float(values.sum())


def own_reader(fcs: Path) -> int:
    from palbo_assets.cytometry.fcs import read_fcs

    return read_fcs(fcs).count


def flowio_reader(fcs: Path) -> int:
    from flowio import FlowData

    return len(FlowData(str(fcs)).as_array(preprocess=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="small input, lenient ratios")
    smoke = parser.parse_args().smoke
    events, rounds = (200_000, 1) if smoke else (1_000_000, 5)
    failures: list[str] = []

    def demand(what: str, held: bool) -> None:
        if not held:
            failures.append(what)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fcs, warm = write_tube(folder / "tube.fcs", events), write_tube(folder / "warm.fcs", 200_000)
        strategy, with_medians = load(folder, False), load(folder, True)
        gating = oracle(strategy)
        figures = measure.compare(
            [
                measure.Contestant("ours: file to table", partial(ours, fcs, strategy), partial(ours, warm, strategy)),
                measure.Contestant(
                    "ours, with 24 medians", partial(ours, fcs, with_medians), partial(ours, warm, with_medians)
                ),
                measure.Contestant("FlowKit: file to report", partial(flowkit, fcs, gating), partial(oracle, strategy)),
                measure.Contestant("reading alone (fromfile, sum)", partial(read_only, fcs)),
                measure.Contestant("our reader with its checks", partial(own_reader, fcs), partial(own_reader, warm)),
                measure.Contestant("flowio, as array", partial(flowio_reader, fcs), partial(__import__, "flowio")),
            ],
            rounds,
        )
        title = f"{events:,} events x {len(CHANNELS)} channels, 12 gates ({fcs.stat().st_size / 1e6:.0f} MB)"
        measure.show(title, figures, "ours: file to table", "events", events)
        own, theirs = figures["ours: file to table"], figures["FlowKit: file to report"]
        sys.stdout.write("counts: " + ", ".join(f"{key} {value:,}" for key, value in own.result.items()) + "\n")
        demand("FlowKit: equal counts in 12 gates", own.result == theirs.result and len(own.result) == 12)
        demand("every gate holds events", min(own.result.values()) > 100)
        demand("medians don't change counts", figures["ours, with 24 medians"].result == own.result)
        demand(f"FlowKit: at least {8 if smoke else 40}x", theirs.cpu >= (8 if smoke else 40) * own.cpu)
        reading = figures["reading alone (fromfile, sum)"].cpu
        demand(
            "no slower than flowio's reading alone", own.cpu <= (2 if smoke else 1) * figures["flowio, as array"].cpu
        )
        demand("within five times a bare copy of the file", smoke or own.cpu <= 5 * reading)

        sizes = [200_000, 400_000] if smoke else [250_000, 1_000_000, 4_000_000]
        seconds, peaks = [], []
        for size in sizes:
            tube = write_tube(folder / "tube.fcs", size)
            run = measure.compare(
                [measure.Contestant("ours", partial(ours, tube, strategy), partial(ours, warm, strategy))],
                1 if smoke else 3,
            )["ours"]
            seconds.append(run.cpu)
            peaks.append(run.peak_mb)
            sys.stdout.write(f"ours, {size:9,} events {run.cpu:9.3f} cpu s {run.peak_mb:7.0f} MB\n")
        slope = measure.growth(sizes, seconds)
        sys.stdout.write(f"growth: size^{slope:.2f}\n")
        demand("growth is linear", smoke or slope <= 1.1)
        grown = (peaks[-1] - peaks[0]) * 1e6 / ((sizes[-1] - sizes[0]) * len(CHANNELS) * 4)
        sys.stdout.write(f"memory grows by {grown:.2f} of the file (of which the mapped file is 1)\n")
        demand("memory within three times the file", grown <= 3)
    if failures:
        raise SystemExit("failed: " + "; ".join(failures))


if __name__ == "__main__":
    main()
