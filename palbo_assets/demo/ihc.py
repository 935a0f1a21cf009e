"""IHC scoring tables of the twin, as a pathology department fills them in: cyclin E1/E2 by two readers, TIL markers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.demo.truth import SampleTruth, WrittenFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = (
    *("specimen_id", "patient_id", "timepoint", "marker", "antibody", "clone", "lot", "run", "compartment"),
    *("pct_0", "pct_1plus", "pct_2plus", "pct_3plus", "n_cells", "n_positive", "area_mm2", "scorer", "control_ok"),
    "comment",
)
READERS = ("R1", "R2")
READER_SD = 6.0  # of one reader's H-score about the truth
CYCLIN_CLONES = {"CYCLIN_E1": "HE12", "CYCLIN_E2": "EP454Y"}
MARKER_CLONES = {"CD3": "2GV6", "CD4": "SP35", "CD8": "C8/144B", "FOXP3": "236A/E7", "CD20": "L26", "CD68": "KP1"}


def write(samples: Sequence[SampleTruth], folder: Path, rng: np.random.Generator, name: str) -> list[WrittenFile]:
    """Write the scoring table of these samples as ``<name>.csv`` (UTF-8)."""
    return _write(samples, folder, rng, name, encoding="utf-8", comment="")


def write_in_korean(
    samples: Sequence[SampleTruth], folder: Path, rng: np.random.Generator, name: str
) -> list[WrittenFile]:
    """The same table as Korean Windows software saves it: CP949, with comments in Korean. It must be accepted."""
    return _write(samples, folder, rng, name, encoding="cp949", comment="염색 양호, 배경 약간")


def write_fractions(
    samples: Sequence[SampleTruth], folder: Path, rng: np.random.Generator, name: str
) -> list[WrittenFile]:
    """A planted fault: percentages as fractions of 1. It must be refused."""
    written = write(samples, folder, rng, name)
    path = folder / written[0].file
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    for row in rows:
        for column in ("pct_0", "pct_1plus", "pct_2plus", "pct_3plus"):
            if row[column]:
                row[column] = f"{float(row[column]) / 100:.3f}"
    path.write_text(_text(rows), encoding="utf-8", newline="")
    return written


def write_image(sample: SampleTruth, folder: Path, rng: np.random.Generator) -> list[WrittenFile]:
    """A field of the sample's cyclin E1 section: of 400 nuclei as many are brown as its H-score asks for."""
    from palbo_assets.demo.slides import write_pyramid

    brown = round(400 * _passed(sample.cyclin_e1_h_score)[0] / 100)
    file = f"{sample.patient_id}_{sample.timepoint}_CYCLINE1.tiff"
    write_pyramid(folder / file, dab_field(brown, 400 - brown, seed=int(rng.integers(2**31))), mpp=0.5)
    return [
        WrittenFile(
            file=file,
            modality="ihc",
            role="image",
            patient_id=sample.patient_id,
            timepoint=sample.timepoint,
            specimen_id=f"{sample.patient_id}-{sample.timepoint}-IHC",
        )
    ]


def dab_field(positive: int, negative: int, strength: float = 1.0, seed: int = 0) -> NDArray[np.uint8]:
    """Brown and blue discs of 4 um radius on pale ground, on a grid: RGB (1000, 1000, 3) at 0.5 um/px."""
    import cv2

    blue, brown = np.full((1000, 1000), 0.05, np.float32), np.full((1000, 1000), 0.02, np.float32)
    order = np.random.default_rng(seed).permutation(positive + negative)
    for k, site in enumerate(order):
        centre = (25 + 30 * int(site % 32), 25 + 30 * int(site // 32))
        cv2.circle(brown if k < positive else blue, centre, 8, 0.6 * strength, -1)
    haematoxylin, diaminobenzidine = np.array([0.65, 0.70, 0.29]), np.array([0.27, 0.57, 0.78])
    density = blue[..., None] * haematoxylin + brown[..., None] * diaminobenzidine
    return np.clip(255 * 10**-density, 0, 255).astype(np.uint8)


def _write(
    samples: Sequence[SampleTruth], folder: Path, rng: np.random.Generator, name: str, *, encoding: str, comment: str
) -> list[WrittenFile]:
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for sample in sorted(samples, key=lambda s: (s.patient_id, s.day)):
        common: dict[str, object] = {
            "specimen_id": f"{sample.patient_id}-{sample.timepoint}-IHC",
            "patient_id": sample.patient_id,
            "timepoint": sample.timepoint,
            "control_ok": "yes",
            "comment": comment,
        }
        for marker, truth in (("CYCLIN_E1", sample.cyclin_e1_h_score), ("CYCLIN_E2", sample.cyclin_e2_h_score)):
            rows += [common | _cyclin(marker, truth, reader, rng) for reader in READERS]
        for marker, per_mm2 in sorted(sample.til_marker_density.items()):
            rows.append(common | _marker(marker, per_mm2, rng))
    file = f"{name}.csv"
    (folder / file).write_bytes(_text(rows).encode(encoding))
    return [WrittenFile(file=file, modality="ihc", role="scores")]


def _cyclin(marker: str, truth: float, reader: str, rng: np.random.Generator) -> dict[str, object]:
    """One reader's percentages, of which the H-score is the truth within a reader's error."""
    wanted = float(np.clip(truth + rng.normal(0, READER_SD), 0, 300))
    weak_up, moderate_up, strong = _passed(wanted)
    parts = [100 - weak_up, weak_up - moderate_up, moderate_up - strong, strong]
    whole = [round(part) for part in parts]
    whole[int(np.argmax(whole))] += 100 - sum(whole)
    n_cells = int(rng.integers(500, 900))
    return {
        "marker": marker,
        "antibody": "anti-" + marker.lower(),
        "clone": CYCLIN_CLONES[marker],
        "lot": "L1",
        "run": "RUN1",
        "compartment": "nuclear",
        **dict(zip(("pct_0", "pct_1plus", "pct_2plus", "pct_3plus"), whole, strict=True)),
        "n_cells": n_cells,
        "n_positive": round(n_cells * (100 - whole[0]) / 100),
        "area_mm2": "",
        "scorer": reader,
    }


def _passed(h_score: float) -> tuple[float, float, float]:
    """Shares of cells [%] that pass each threshold of intensity, weak, moderate and strong; summing to the H-score."""
    strong = max(0.0, h_score - 200) if h_score > 200 else h_score * 0.1
    moderate_up = max(strong, min(100.0, h_score * 0.3 if h_score <= 200 else 100.0))
    weak_up = h_score - strong - moderate_up
    if weak_up > 100:
        moderate_up, weak_up = moderate_up + (weak_up - 100), 100.0
    return weak_up, moderate_up, strong


def _marker(marker: str, per_mm2: float, rng: np.random.Generator) -> dict[str, object]:
    """Counted cells in stroma: a Poisson count over the area that was read."""
    area = float(np.round(rng.uniform(1.2, 3.0), 2))
    positive = int(rng.poisson(per_mm2 * area))
    return {
        "marker": marker,
        "antibody": "anti-" + marker,
        "clone": MARKER_CLONES.get(marker, ""),
        "lot": "L1",
        "run": "RUN1",
        "compartment": "stroma",
        "n_cells": positive + int(rng.poisson(2500 * area)),
        "n_positive": positive,
        "area_mm2": area,
        "scorer": READERS[0],
    }


def _text(rows: Sequence[dict[str, object]] | list[dict[str, str]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
