"""Annotated regions of a slide: QuPath's GeoJSON and ASAP's XML, as polygons in level-0 pixels.

A pathologist draws what may be scored (the invasive tumour) and what may not (DCIS, necrosis, normal lobules). Regions
whose class says the latter are cut out; all others are joined. Points and lines enclose nothing and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.platform.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_BYTES = 100 * 1024 * 1024
EXCLUDED = (
    *("exclude", "excluded", "ignore", "ignore*", "artefact", "artifact", "necrosis", "dcis", "in situ", "normal"),
    *("normal lobule", "fat", "fold", "biopsy site", "crush", "haemorrhage", "hemorrhage"),
)
"""Classes that the TIL working group leaves out (Salgado 2015), and QuPath's Ignore*, in lower case."""
_FIX = "export annotations from QuPath as GeoJSON, or from ASAP as XML"


@dataclass(frozen=True)
class Polygon:
    """A region: rings (n, 2) of x, y [level-0 px], the outline first, then holes; ``excluded`` regions are cut out."""

    rings: tuple[NDArray[np.float64], ...]
    excluded: bool


@dataclass(frozen=True)
class Regions:
    """Polygons of a slide of ``mpp`` um a level-0 pixel."""

    polygons: tuple[Polygon, ...]
    mpp: float

    @property
    def included(self) -> int:
        return sum(not polygon.excluded for polygon in self.polygons)

    def mask(self, x_um: float, y_um: float, rows: int, columns: int, cell_um: float) -> NDArray[np.bool_]:
        """(rows, columns) map of cells of ``cell_um`` from (x_um, y_um) on whose centre lies in a region.

        Without included regions everything counts that isn't cut out.
        """
        inside = np.full((rows, columns), self.included == 0)
        for wanted in (False, True):  # what is cut out wins over what is drawn in
            for polygon in self.polygons:
                if polygon.excluded is wanted:
                    inside[self._filled(polygon, x_um, y_um, rows, columns, cell_um)] = not wanted
        return inside

    def _filled(
        self, polygon: Polygon, x_um: float, y_um: float, rows: int, columns: int, cell_um: float
    ) -> NDArray[np.bool_]:
        """Even-odd rule over all rings, to a sixteenth of a cell."""
        import cv2

        filled = np.zeros((rows, columns), np.uint8)
        corner, scale = np.array([x_um, y_um]), self.mpp / cell_um
        rings = [ring * scale - corner / cell_um - 0.5 for ring in polygon.rings]
        low, high = rings[0].min(axis=0), rings[0].max(axis=0)
        if (high < -1).any() or (low > [columns, rows]).any():
            return filled.astype(bool)
        points: list[Any] = [np.round(ring * 16).astype(np.int32) for ring in rings]
        cv2.fillPoly(filled, points, 1, shift=4)
        return filled.astype(bool)

    def check_within(self, size_px: tuple[int, int], file: str) -> None:
        """Annotations must lie on the slide (a hundredth of its edge beyond is drawn by hand).

        Raises
        ------
        InputError
            ``E_SAMPLE_MISMATCH`` when they don't: they are another slide's, or in micrometres.
        """
        for polygon in self.polygons:
            for ring in polygon.rings:
                if (ring < -0.01 * max(size_px)).any() or (ring > np.array(size_px) + 0.01 * max(size_px)).any():
                    raise InputError(
                        "E_SAMPLE_MISMATCH",
                        "an annotation lies outside the slide",
                        file=file,
                        fix="export the annotations of this slide, in pixels of the full resolution",
                    )


def read(path: Path, scanned_from: tuple[float, float] = (0.0, 0.0)) -> tuple[Polygon, ...]:
    """Polygons of an annotation file, GeoJSON or ASAP's XML by its first character.

    Parameters
    ----------
    scanned_from
        `slide.Slide.scanned_from`: QuPath counts pixels from there, ASAP from the corner of the canvas.

    Raises
    ------
    InputError
        ``E_EMPTY, E_ENCODING, E_TOO_BIG, E_SCHEMA``.
    """
    from palbo_assets.platform.text import decode

    if path.stat().st_size > LARGEST_BYTES:
        raise InputError("E_TOO_BIG", "annotations of more than 100 MB are not expected", file=path.name)
    text = decode(path)
    return _asap(text, path) if text.lstrip().startswith("<") else _geojson(text, path, np.array(scanned_from))


def _geojson(text: str, path: Path, origin: NDArray[np.float64]) -> tuple[Polygon, ...]:
    """A feature, a list of features, or a FeatureCollection."""
    import json

    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(path, "the file is not valid JSON") from None
    features = content.get("features", [content]) if isinstance(content, dict) else content
    if not isinstance(features, list) or not all(
        isinstance(each, dict) and isinstance(each.get("geometry"), dict) for each in features
    ):
        raise _wrong(path, "the file holds no GeoJSON features")
    polygons: list[Polygon] = []
    for feature in features:
        properties = feature.get("properties")
        classes = properties.get("classification") if isinstance(properties, dict) else None
        name = classes.get("name") if isinstance(classes, dict) else None
        if name is None and isinstance(classes, dict) and isinstance(classes.get("names"), list):
            name = ":".join(map(str, classes["names"]))
        geometry = feature["geometry"]
        kind, coordinates = geometry.get("type"), geometry.get("coordinates")
        parts = {"Polygon": lambda c: [c], "MultiPolygon": lambda c: c}.get(kind, lambda _: [])(coordinates)
        if not isinstance(parts, list):
            raise _wrong(path, "a geometry has no coordinates")
        for part in parts:
            if not isinstance(part, list) or not part:
                raise _wrong(path, "a polygon has no outline")
            polygons.append(Polygon(tuple(_ring(ring, path) + origin for ring in part), _is_excluded(name)))
    return tuple(polygons)


def _asap(text: str, path: Path) -> tuple[Polygon, ...]:
    """ASAP's annotations: polygons, rectangles and splines, their group as class."""
    from defusedxml import ElementTree

    try:
        root = ElementTree.fromstring(text)
    except Exception:  # entities, depth and syntax fail in many ways
        raise _wrong(path, "the file is not valid XML") from None
    if root.tag != "ASAP_Annotations":
        raise _wrong(path, "the XML is not one of ASAP's annotations")
    polygons: list[Polygon] = []
    for annotation in root.iter("Annotation"):
        if annotation.get("Type") not in ("Polygon", "Rectangle", "Spline"):
            continue
        corners = [(point.get("X"), point.get("Y")) for point in annotation.iter("Coordinate")]
        polygons.append(Polygon((_ring(corners, path),), _is_excluded(annotation.get("PartOfGroup"))))
    return tuple(polygons)


def _ring(points: Any, path: Path) -> NDArray[np.float64]:
    try:
        ring = np.array([[float(point[0]), float(point[1])] for point in points])
        if len(ring) < 3 or not np.isfinite(ring).all() or np.abs(ring).max() > 1e7:
            raise ValueError
    except (TypeError, ValueError, IndexError, KeyError):
        raise _wrong(path, "an outline is not three or more points of two numbers") from None
    return ring


def _is_excluded(name: object) -> bool:
    return isinstance(name, str) and " ".join(name.lower().replace("_", " ").split()) in EXCLUDED


def _wrong(path: Path, message: str) -> InputError:
    return InputError("E_SCHEMA", message, file=path.name, fix=_FIX)
