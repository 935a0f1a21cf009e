"""Leica's SCN places the scan on the canvas of the whole glass: pixels and QuPath's annotations are found there."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from palbo_assets.demo import slides
from palbo_assets.histology import regions
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.formats import verify_slide
from palbo_assets.histology.regions import Regions
from palbo_assets.histology.score import score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Field, Slide
from palbo_assets.platform.formats import Claim, Context

FIELD = SlideSettings(min_scored_mm2=0.05, min_nuclei=50, min_stroma_mm2=0.005)
SIDE, ORIGIN = 1024, (800, 1800)  # px of 0.5 um


def _image(name: str, sizes: list[tuple[int, int]], first: int, view_nm: tuple[int, int, int, int], power: str) -> str:
    dimensions = "".join(
        f'<dimension sizeX="{x}" sizeY="{y}" r="{k}" ifd="{first + k}"/>' for k, (x, y) in enumerate(sizes)
    )
    width, height, left, top = view_nm
    return (
        f'<image name="{name}"><creationDate>2000-01-01T00:00:00Z</creationDate><device model="Leica SCN400"/>'
        f'<pixels sizeX="{sizes[0][0]}" sizeY="{sizes[0][1]}">{dimensions}</pixels>'
        f'<view sizeX="{width}" sizeY="{height}" offsetX="{left}" offsetY="{top}" spacingZ="0"/>'
        f"<scanSettings><objectiveSettings><objective>{power}</objective></objectiveSettings><illuminationSettings>"
        "<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield</illuminationSource>"
        "</illuminationSettings></scanSettings></image>"
    )


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    return slides.render(25, np.random.default_rng(1), size_px=SIDE)


@pytest.fixture(scope="module")
def scn(tmp_path_factory: pytest.TempPathFactory, scene: NDArray[np.uint8]) -> Path:
    path = tmp_path_factory.mktemp("scn") / "glass.scn"
    small = np.asarray(cv2.resize(scene, (SIDE // 4, SIDE // 4), interpolation=cv2.INTER_AREA), np.uint8)
    macro = np.full((300, 100, 3), 200, np.uint8)
    glass = (2_000_000, 6_000_000)
    view = (SIDE * 500, SIDE * 500, ORIGIN[0] * 500, ORIGIN[1] * 500)
    description = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection sizeX="{glass[0]}" sizeY="{glass[1]}"><barcode></barcode>'
        + _image("macro", [(100, 300)], 0, (*glass, 0, 0), "1")
        + _image("scan", [(SIDE, SIDE), (SIDE // 4, SIDE // 4)], 1, view, "20")
        + "</collection></scn>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for picture, mpp in ((macro, 20), (scene, 0.5), (small, 2)):
            tiff.write(
                picture,
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                description=description if picture is macro else None,
                metadata=None,
                software=False,
                resolution=(1e4 / mpp, 1e4 / mpp),
                resolutionunit="CENTIMETER",
            )
    return path


def test_an_scn_slide_is_read_where_its_scan_lies(scn: Path, scene: NDArray[np.uint8]) -> None:
    finding = verify_slide(scn, Claim(scn.name, "he_slide"), Context())
    assert finding["mpp"] == pytest.approx(0.5) and finding["objective_power"] == 20
    with Slide(scn) as slide:
        assert slide.vendor == "leica" and slide.scanned_from == ORIGIN
        there = slide.read((ORIGIN[0] + 300) * 0.5, (ORIGIN[1] + 400) * 0.5, 200, 100, 0.5).astype(int)
        assert (slide.read(10, 10, 50, 50, 0.5) == 255).all()  # glass that wasn't scanned
    assert np.abs(there - scene[400:500, 300:500]).mean() < 3


def test_a_region_drawn_in_qupath_is_found_on_the_canvas(
    scn: Path, scene: NDArray[np.uint8], training: Training, tmp_path: Path
) -> None:
    square = [[100, 100], [900, 100], [900, 900], [100, 900], [100, 100]]
    path = tmp_path / "glass.geojson"
    path.write_text(json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [square]}}))
    with Slide(scn) as slide:
        drawn = Regions(regions.read(path, slide.scanned_from), slide.mpp)
        found = score(slide, training.model, FIELD, regions=drawn)
    plain = score(Field(scene, 0.5), training.model, FIELD, regions=Regions(regions.read(path), 0.5))
    # Tiles that the region barely touches are left out, and the canvas has other tiles.
    assert found.tissue_mm2 == pytest.approx(plain.tissue_mm2, rel=0.12)
    assert found.n_nuclei == pytest.approx(plain.n_nuclei, rel=0.12)
    assert found.stil_area_pct is not None and plain.stil_area_pct is not None
    assert found.stil_area_pct == pytest.approx(plain.stil_area_pct, abs=3)
