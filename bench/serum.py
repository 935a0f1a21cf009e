"""Refitting a thousand plates: the compiled fit against scipy's curve_fit, at equal parameters."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import numpy as np
from measure import Contestant, compare, growth, show

from palbo_assets.serum.standard_curve import FOUR, StandardCurve, Start, fit_by_scipy, starting_point

DOSE = np.repeat([0, 15.625, 31.25, 62.5, 125, 250, 500, 1000], 2).astype(float)
Plates = list[tuple[np.ndarray, Start]]


def plates(n: int) -> Plates:
    """Standards in duplicate with 3 % of scatter, each plate with a curve of its own."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(n):
        truth = StandardCurve(0.03, rng.uniform(0.9, 1.5), rng.uniform(200, 900), rng.uniform(2.5, 4.5))
        od = truth.response(DOSE) * (1 + 0.03 * rng.standard_normal(DOSE.size))
        found.append((od, starting_point(DOSE, od, 2.0, 0.01)))
    return found


def by_kernel(data: Plates) -> np.ndarray:
    from palbo_assets.serum.logistic_kernel import fit_many

    theta = np.array([start.theta for _, start in data])
    fit_many(
        np.tile(DOSE, (len(data), 1)),
        np.array([od for od, _ in data]),
        np.array([1 / start.sigma for _, start in data]),
        theta,
        np.array([start.lower for _, start in data]),
        np.array([start.upper for _, start in data]),
        FOUR,
    )
    return natural(theta)


def by_scipy(data: Plates) -> np.ndarray:
    return natural(np.array([fit_by_scipy(DOSE, od, start) for od, start in data]))


def natural(theta: np.ndarray) -> np.ndarray:
    return np.column_stack([theta[:, 0], np.exp(theta[:, 1]), np.exp(theta[:, 2]), theta[:, 3]])


def main(smoke: bool) -> None:
    sizes = (50, 200) if smoke else (250, 1000, 4000)
    spent: list[float] = []
    for n in sizes:
        data = plates(n)
        ours = Contestant("compiled, all plates at once", partial(by_kernel, data), partial(by_kernel, data[:2]))
        theirs = Contestant("scipy curve_fit (trf)", partial(by_scipy, data), partial(by_scipy, data[:2]))
        figures = compare([ours, theirs], rounds=1 if smoke else 3)
        show(f"{n} plates of 16 wells", figures, ours.name, "plates", n)
        mine, peer = figures[ours.name], figures[theirs.name]
        spent.append(mine.cpu)
        apart = np.abs(mine.result / peer.result - 1).max(axis=1)
        sys.stdout.write(f"parameters: median difference {np.median(apart):.1e}, worst {apart.max():.1e}\n")
        assert apart.max() < 1e-6, "parameters differ"
        assert peer.cpu / mine.cpu > (20 if smoke else 100), "the compiled fit has lost its lead"
    sys.stdout.write(f"growth of the compiled fit: slope {growth(sizes, spent):.2f}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    main(parser.parse_args().smoke)
