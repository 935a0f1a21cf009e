"""Speed and memory of H&E scoring (stain, nuclei, reading, whole slides) against scikit-image, OpenSlide, raw decoding.

``python bench/histology.py [--smoke]``. Slides are rendered from a seed. Equal results first: stains within 1e-5 of
``rgb2hed``, nuclei by F1 against the planted ones, pixels equal to OpenSlide's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from measure import Contestant, compare, growth, show

MPP, MATCH_UM = 0.5, 3.0


@cache
def planted(size: int, seed: int = 7) -> tuple[Any, Any]:
    """(rgb, centres (n, 2) x, y [px]): dark ellipses of 4-9 um on eosin, 900 a Mpx, some touching."""
    import cv2

    rng = np.random.default_rng(seed)
    density = np.full((size, size), 0.10, np.float32)
    n = round(900e-6 * size * size)
    centres = rng.uniform(24, size - 24, (n, 2))
    gap = np.linalg.norm(centres[:, None] - centres[None], axis=2) if n < 4000 else None
    if gap is not None:
        centres = centres[(np.triu(gap < 9, 1).sum(axis=0)) == 0]
    for x, y in centres:
        axes = tuple(int(a) for a in rng.uniform(5, 9, 2) * 16)
        amount = float(rng.uniform(0.45, 0.9))
        cv2.ellipse(density, (int(x * 16), int(y * 16)), axes, float(rng.uniform(0, 180)), 0, 360, amount, -1, 8, 4)
    density = cv2.GaussianBlur(density, (0, 0), 1.0)
    eosin = np.abs(cv2.GaussianBlur(rng.normal(0.25, 0.3, (size, size)).astype(np.float32), (0, 0), 3))
    stain = np.array([0.65, 0.70, 0.29], np.float32), np.array([0.07, 0.99, 0.11], np.float32)
    rgb = 243 * 10 ** -(density[..., None] * stain[0] + eosin[..., None] * stain[1]) + rng.normal(
        0, 1.5, (size, size, 1)
    )
    return np.clip(rgb, 0, 255).astype(np.uint8), centres


def f1(found: Any, truth: Any) -> float:
    """Of centres, one to one within 3 um, nearest first."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(truth).sparse_distance_matrix(cKDTree(found), MATCH_UM / MPP, output_type="coo_matrix")
    order = np.argsort(pairs.data, kind="stable")
    taken_t, taken_f = set(), set()
    for a, b in zip(pairs.row[order], pairs.col[order]):
        if a not in taken_t and b not in taken_f:
            taken_t.add(a)
            taken_f.add(b)
    return 2 * len(taken_t) / (len(truth) + len(found))


def ours(rgb: Any) -> Any:
    import cv2

    from palbo_assets.histology import nuclei, stain

    density = stain.separate(rgb)
    threshold = stain.nuclear_threshold(cv2.GaussianBlur(density, (0, 0), 1.0)[::2, ::2])
    od = density / np.float32(threshold)
    return nuclei.as_array(nuclei.segment(od, MPP), od, MPP)[:, :2] / MPP


def scikit_image(rgb: Any) -> Any:
    """The same steps with scikit-image and scipy."""
    from scipy import ndimage
    from skimage.color import rgb2hed
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.measure import label, regionprops_table
    from skimage.morphology import disk, opening
    from skimage.segmentation import watershed

    density = np.maximum(rgb2hed(rgb)[..., 0], 0)
    smooth = gaussian(density, 1.0)
    mask = (smooth > threshold_otsu(smooth[::2, ::2])) & (smooth > ndimage.uniform_filter(smooth, 61))
    mask = opening(mask, disk(2))
    depth = gaussian(ndimage.distance_transform_edt(mask), 1.2)
    peaks = peak_local_max(depth, min_distance=4, labels=label(mask))
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-depth, markers, mask=mask)
    properties = ("centroid", "area", "eccentricity", "solidity", "mean_intensity")
    table = regionprops_table(labels, density, properties=properties)
    kept = (table["area"] * MPP**2 >= 8) & (table["area"] * MPP**2 <= 400)
    return np.column_stack([table["centroid-1"], table["centroid-0"]])[kept]


def write_slide(path: Path, width: int, height: int) -> None:
    """A tiled JPEG pyramid of a repeated scene; encoded once, so that two gigapixels cost seconds."""
    import imagecodecs
    import tifffile

    from palbo_assets.demo import slides

    scene = slides.render(25, np.random.default_rng(3), size_px=2304)[128:2176, 128:2176]
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for level in range(4):
            scale = 2**level
            small = np.ascontiguousarray(scene[::scale, ::scale])
            edge = len(small) // 256
            parts = [
                imagecodecs.jpeg8_encode(
                    np.ascontiguousarray(small[j * 256 : j * 256 + 256, i * 256 : i * 256 + 256]), level=80
                )
                for j in range(edge)
                for i in range(edge)
            ]
            w, h = width // scale, height // scale
            across, down = -(-w // 256), -(-h // 256)
            tiff.write(
                (parts[(j % edge) * edge + i % edge] for j in range(down) for i in range(across)),
                shape=(h, w, 3),
                dtype=np.uint8,
                tile=(256, 256),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                subfiletype=1 if level else 0,
                metadata=None,
                resolution=(1e4 / (MPP * scale),) * 2,
                resolutionunit="CENTIMETER",
            )


def corners(width: int, height: int, side: int, n: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(5)
    return [(int(rng.integers(0, width - side)), int(rng.integers(0, height - side))) for _ in range(n)]


def read_ours(path: Path, at: list[tuple[int, int]], side: int) -> int:
    from palbo_assets.histology.slide import Slide

    with Slide(path) as slide:
        return sum(int(slide.read(x * MPP, y * MPP, side, side, MPP).sum()) for x, y in at)


def read_openslide(path: Path, at: list[tuple[int, int]], side: int) -> int:
    import openslide

    slide = openslide.OpenSlide(str(path))
    return sum(int(np.asarray(slide.read_region(c, 0, (side, side)))[..., :3].astype(np.uint8).sum()) for c in at)


def read_tiffslide(path: Path, at: list[tuple[int, int]], side: int) -> int:
    import tiffslide

    slide = tiffslide.TiffSlide(str(path))
    return sum(int(slide.read_region(c, 0, (side, side), as_array=True).sum()) for c in at)


def decode_raw(path: Path, at: list[tuple[int, int]], side: int) -> int:
    """The limit: the JPEG tiles that the regions touch, decoded and summed, nothing else."""
    import imagecodecs
    import tifffile

    total = 0
    with tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        across = -(-page.imagewidth // 256)
        wanted = {
            (j * across + i)
            for x, y in at
            for j in range(y // 256, (y + side - 1) // 256 + 1)
            for i in range(x // 256, (x + side - 1) // 256 + 1)
        }
        with path.open("rb") as handle:
            for index in sorted(wanted):
                handle.seek(page.dataoffsets[index])
                total += int(imagecodecs.jpeg8_decode(handle.read(page.databytecounts[index])).sum())
    return total


def whole(path: Path, workers: int, max_tiles: int = 4000) -> tuple[int, float, int]:
    """(nuclei, wall seconds, tiles) of `evidence.measure`."""
    import cv2

    from palbo_assets.histology.evidence import measure
    from palbo_assets.histology.settings import SlideSettings
    from palbo_assets.histology.slide import Slide

    cv2.setNumThreads(1)
    start = time.perf_counter()
    with Slide(path) as slide:
        found = measure(slide, SlideSettings(workers=workers, max_tiles=max_tiles))
    return len(found.nuclei), time.perf_counter() - start, found.n_tiles


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    rounds = 2 if smoke else 5
    import cv2

    cv2.setNumThreads(1)
    size = 768 if smoke else 1024
    rgb, truth = planted(size)

    def warm() -> None:
        ours(rgb[:256, :256])
        scikit_image(rgb[:256, :256])

    def stain_ours() -> float:
        from palbo_assets.histology import stain

        return float(sum(stain.separate(rgb).mean() for _ in range(10)) / 10)

    def stain_peer() -> float:
        from skimage.color import rgb2hed

        return float(sum(np.maximum(rgb2hed(rgb)[..., 0], 0).mean() for _ in range(10)) / 10)

    stains = compare([Contestant("ours", stain_ours, warm), Contestant("rgb2hed", stain_peer, warm)], rounds)
    show("stain separation, 10 tiles", stains, "rgb2hed", "Mpx", 10 * size * size / 1e6)
    assert abs(stains["ours"].result - stains["rgb2hed"].result) < 1e-5

    nuclei = compare(
        [Contestant("ours", lambda: ours(rgb), warm), Contestant("scikit-image", lambda: scikit_image(rgb), warm)],
        rounds,
    )
    show("read to nuclei and features, one tile", nuclei, "scikit-image", "Mpx", size * size / 1e6)
    score = {name: f1(figure.result, truth) for name, figure in nuclei.items()}
    sys.stdout.write(
        "".join(f"F1 on {len(truth)} seeded nuclei, {name}: {value:.3f}\n" for name, value in score.items())
    )
    assert score["ours"] >= score["scikit-image"] - 0.005
    assert nuclei["scikit-image"].cpu / nuclei["ours"].cpu >= (6 if smoke else 12)

    with tempfile.TemporaryDirectory() as folder:
        edge = 4096 if smoke else 12_288
        path = Path(folder) / "slide.tiff"
        write_slide(path, edge, edge)
        at = corners(edge, edge, 1024, 6 if smoke else 24)
        tiny = at[:1]
        readers = {
            "raw JPEG decode": decode_raw,
            "ours": read_ours,
            "tiffslide": read_tiffslide,
            "openslide": read_openslide,
        }
        reading = compare(
            [
                Contestant(name, lambda f=f: f(path, at, 1024), lambda f=f: f(path, tiny, 64))  # type: ignore[misc]
                for name, f in readers.items()
            ],
            rounds,
        )
        show(f"{len(at)} regions of 1 Mpx", reading, "raw JPEG decode", "Mpx", len(at) * 1.048576)
        assert reading["ours"].result == reading["openslide"].result
        assert reading["ours"].cpu / reading["raw JPEG decode"].cpu <= (4 if smoke else 2)

        sizes = (1024, 2048, 4096) if smoke else (2048, 4096, 8192)
        seconds, peaks = [], []
        for side in sizes:
            part = Path(folder) / f"{side}.tiff"
            write_slide(part, side, side)
            runs = {
                f"{side} px, {n} thread{'s' * (n > 1)}": Contestant(
                    f"{side} px, {n} thread{'s' * (n > 1)}",
                    lambda n=n, part=part: whole(part, n),  # type: ignore[misc]
                    lambda: whole(Path(folder) / f"{sizes[0]}.tiff", 1),
                )
                for n in ((1, 2) if side == sizes[-1] else (1,))
            }
            found = compare(list(runs.values()), 1 if smoke else 3)
            one = next(iter(found.values()))
            seconds.append(one.cpu)
            peaks.append(one.peak_mb)
            show(f"whole slide of {side * side / 1e6:.0f} Mpx", found, one.name, "Mpx", side * side / 1e6)
            for figure in found.values():
                sys.stdout.write(f"{figure.name}: {figure.result[0]} nuclei, {figure.result[1]:.1f} s wall\n")
            assert len({figure.result[0] for figure in found.values()}) == 1
        decode = compare([Contestant("decode", lambda: read_ours(part, [(0, 0)], sizes[-1]))], 1)["decode"].cpu
        slope = growth([float(side * side) for side in sizes], seconds)
        sys.stdout.write(
            f"growth {slope:.2f}; memory {peaks[0]:.0f} -> {peaks[-1]:.0f} MB; decoding is "
            f"{100 * decode / seconds[-1]:.0f} % of the time\n"
        )
        assert slope < 1.25 and peaks[-1] < peaks[0] + 600
        if not smoke:
            path.unlink()
            write_slide(path, 50_000, 40_000)
            figure = compare([Contestant("50,000 x 40,000", lambda: whole(path, 2))], 1)
            show("two gigapixels, 4,000 of its tiles", figure, "50,000 x 40,000", "Mpx", 4000 * 0.512**2)
            assert figure["50,000 x 40,000"].peak_mb < 2000


if __name__ == "__main__":
    main()
