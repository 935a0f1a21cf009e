"""Rendered fields of H&E with known truth: what the estimate of lymphoid area learns from.

A field is drawn in stain density at 0.5 um/px and developed as a scan (Beer and Lambert; optics; resolution; noise;
JPEG). Everything that differs between laboratories and tumours is drawn at random over a range wider than life, so that
reality is one more variation (domain randomisation, Tobin 2017): stain vectors and strength, blur, 0.25-1.3 um/px;
usual, vesicular, pleomorphic and small dark tumour nuclei in nests or cords; fibres, oedema, fat, clefts; fibroblasts,
plasma cells, crushed cells, debris, red cells; lymphocytes sparse, in clusters or in sheets. Profiles of lymphocytes
have 15-36 um2, as `synthetic` has them from CMU-1; a mononuclear cell occupies 1.5 times its nucleus (a plasma cell
75-130 um2). Ranges without a source are design defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MPP = 0.5
CELL_PX = 8  # 4 um, as in `region_features`
FIELD_UM = 256.0
LYMPHOID, TUMOUR, STROMA, EMPTY = range(4)
TUMOURS = ("usual", "vesicular", "small_dark", "pleomorphic")
FOOTPRINT = 1.5  # as `settings.SlideSettings.footprint_factor`
# Absorption of red, green and blue by a unit of stain: Ruifrok and Johnston 2001; eosin also as scanners see it.
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])
EOSIN_SCANNED = np.array([0.22, 0.86, 0.42])


@dataclass(frozen=True)
class Style:
    """What the fields of one patient have in common; areas in um2, stain as optical density."""

    haematoxylin: NDArray[np.float64]
    eosin: NDArray[np.float64]
    white: NDArray[np.float64]
    tumour: str
    tumour_area: float
    tumour_spread: float
    nucleus_of_cell: float
    tumour_od: float
    rim: float
    tumour_chromatin: float
    chromatin: float
    chromatin_um: float
    cytoplasm_blue: float
    cytoplasm_pink: float
    lymphocyte_area: float
    lymphocyte_room: float
    lymphocyte_od: float
    matrix_pink: float
    matrix_blue: float
    fibres: float
    fibroblasts_mm2: float
    blur_um: float
    scan_mpp: float
    jpeg_quality: int
    noise: float
    plasma: float
    fat: bool
    jitter: float
    strength: float


def style(rng: np.random.Generator) -> Style:
    """A patient's style."""

    def u(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    blue = np.maximum(HAEMATOXYLIN + rng.normal(0, 0.05, 3), 0.03)
    blue /= np.linalg.norm(blue)
    weight = u(0, 1)
    pink = np.maximum((1 - weight) * EOSIN + weight * EOSIN_SCANNED + rng.normal(0, 0.03, 3), 0.03)
    pink /= np.linalg.norm(pink)
    kind = str(rng.choice(list(TUMOURS), p=[0.35, 0.25, 0.25, 0.15]))
    areas = [u(40, 75), u(60, 140), u(28, 48), u(60, 130)]
    area = areas[TUMOURS.index(kind)]
    densities = [u(0.35, 0.65), u(0.22, 0.45), u(0.5, 0.9), u(0.35, 0.8)]
    tumour_od = densities[TUMOURS.index(kind)]
    strength = float(np.exp(u(np.log(0.6), np.log(1.35))))
    small_dark, usual = tumour_od * u(0.95, 1.4), u(0.6, 1.0)
    lymphocyte_od = float(np.clip(small_dark if kind == "small_dark" else usual, 0.5, 1.1))
    white = np.array([u(228, 248)] * 3) + rng.uniform(-4, 4, 3)
    spreads = [u(0.35, 0.55), u(0.15, 0.3)]
    return Style(
        haematoxylin=blue,
        eosin=pink,
        white=white,
        tumour=kind,
        tumour_area=area,
        tumour_spread=spreads[0 if kind == "pleomorphic" else 1],
        nucleus_of_cell=u(0.28, 0.6),
        tumour_od=tumour_od * strength,
        rim=u(0.3, 1.0) if kind == "vesicular" else u(0, 0.25),
        tumour_chromatin=u(0, 0.35),
        chromatin=u(0, 0.2),
        chromatin_um=u(0.5, 1.3),
        cytoplasm_blue=u(0.05, 0.4),
        cytoplasm_pink=u(0.5, 1.1),
        lymphocyte_area=min(u(15, 36), area / 1.15),
        lymphocyte_room=u(1.35, 1.65),
        lymphocyte_od=lymphocyte_od * strength,
        matrix_pink=u(0.15, 0.5),
        matrix_blue=u(0.01, 0.07),
        fibres=u(0.1, 0.4),
        fibroblasts_mm2=u(150, 1400),
        blur_um=u(0.25, 0.9),
        scan_mpp=float(rng.choice([0.25, 0.5, 1.0, 1.3], p=[0.08, 0.37, 0.1, 0.45])),
        jpeg_quality=int(rng.integers(50, 96)),
        noise=u(0.5, 3.5),
        plasma=float(rng.choice([0, u(0, 0.3), u(0.3, 0.8)], p=[0.5, 0.35, 0.15])),
        fat=bool(rng.random() < 0.15),
        jitter=u(0.02, 0.4),
        strength=strength,
    )


def field(look: Style, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A field of a patient, and what its cells of 4 um hold.

    Returns
    -------
    array (height, width, 3), uint8, at ``look.scan_mpp``, and array (rows, columns, 4): shares of area occupied by
    mononuclear cells in stroma, by nests (with what lies in them), by the rest of stroma, and by nothing.
    """
    import cv2

    size, u = round(FIELD_UM / MPP), rng.uniform
    nest, empty = _compartments(look, rng, size)
    stroma = ~nest & ~empty
    blue, pink, angle = _matrix(look, rng, nest)
    tumour = _tumour_nuclei(look, rng, nest)
    other, crushed = _stromal_nuclei(look, rng, stroma, angle)

    site_um2 = look.lymphocyte_area * look.lymphocyte_room * u(1.0, 1.15)
    wanted = _infiltrate(rng, size)
    in_nests = u(0, 0.05) if rng.random() < 0.6 else 0.0
    wanted = np.where(nest, in_nests, wanted)
    occupied = np.zeros((size, size), np.uint8)
    immune: Any = np.zeros((size, size), np.float32)
    sites = _lattice(rng, size, _spacing(site_um2), look.jitter, (stroma | nest) & ~crushed, wanted)
    for x, y in sites:
        area = look.lymphocyte_area * np.exp(rng.normal(0, 0.12))
        od = look.lymphocyte_od * np.exp(rng.normal(0, 0.12))
        if rng.random() < look.plasma:
            cell, long, turn = u(75, 130), u(1.1, 1.6), u(0, np.pi)
            off = u(1, 2.2) / MPP
            _ellipse(blue, x, y, cell, long, turn, look.lymphocyte_od * u(0.25, 0.5))
            _ellipse(pink, x, y, cell, long, turn, look.matrix_pink * u(0.4, 0.9))
            _ellipse(occupied, x, y, cell, long, turn, 1)
            x, y = x + off * np.cos(turn), y + off * np.sin(turn)
            _ellipse(immune, x, y, area * 1.1, u(1, 1.2), turn, od * 0.9)
        else:
            long, turn = u(1, 1.35), u(0, np.pi)
            _ellipse(occupied, x, y, area * FOOTPRINT, long, turn, 1)
            _ellipse(immune, x, y, area, long, turn, od)

    coarse = 1 + look.tumour_chromatin * _noise(rng, size, look.chromatin_um / MPP)
    fine = 1 + look.chromatin * _noise(rng, size, 0.8 / MPP)
    blue = np.maximum(blue, np.maximum(tumour * coarse, np.maximum(immune * fine, other * fine)))
    every = np.maximum(tumour, np.maximum(immune, other))
    if rng.random() < 0.4:  # a thicker section: nuclei below the focus shine through
        below = np.roll(every, rng.integers(-12, 13, 2), (0, 1))
        below = cv2.GaussianBlur(below, (0, 0), u(0.8, 1.8) / MPP)
        blue += u(0.15, 0.5) * below
    pink = np.where(every > 0, pink * u(0.3, 0.9), pink)
    if rng.random() < 0.2:
        part = stroma & (_noise(rng, size, u(6, 15) / MPP) > u(1.3, 2.5))
        for x, y in _lattice(rng, size, 7 / MPP, 0.2, part):  # red cells
            _ellipse(pink, x, y, u(28, 42), 1, 0, u(0.5, 1.0))
    blue[empty], pink[empty] = 0, 0
    rgb = develop(look, blue, pink, rng)

    def by_cell(part: Any) -> Any:
        edge = size // CELL_PX
        return cv2.resize(part.astype(np.float32), (edge, edge), interpolation=cv2.INTER_AREA)

    immune_share, nests, nothing = by_cell((occupied > 0) & stroma), by_cell(nest), by_cell(empty)
    rest = np.maximum(1 - immune_share - nests - nothing, 0)
    return rgb, np.stack([immune_share, nests, rest, nothing], axis=-1)


def develop(
    look: Style, blue: NDArray[np.float32], pink: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Stain densities as a scan of the style's colours, sharpness, resolution and compression."""
    import cv2

    density = blue[..., None] * look.haematoxylin.astype(np.float32)
    density = density + np.maximum(pink, 0)[..., None] * look.eosin.astype(np.float32)
    light: Any = look.white.astype(np.float32) * np.power(np.float32(10), -density)
    light = cv2.GaussianBlur(light, (0, 0), look.blur_um / MPP)
    side = round(light.shape[0] * MPP / look.scan_mpp)
    light = cv2.resize(light, (side, side), interpolation=cv2.INTER_AREA if look.scan_mpp > MPP else cv2.INTER_CUBIC)
    light += rng.normal(0, look.noise, (side, side, 1)).astype(np.float32)
    picture = np.clip(light, 0, 255).astype(np.uint8)[..., ::-1]
    quality = [cv2.IMWRITE_JPEG_QUALITY, look.jpeg_quality]
    encoded: Any = cv2.imencode(".jpg", np.ascontiguousarray(picture), quality)[1]
    scanned: Any = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return np.asarray(np.ascontiguousarray(scanned[..., ::-1]), np.uint8)


def _compartments(look: Style, rng: np.random.Generator, size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(nests, holes): nests of any size or cords of cells; clefts and fat are holes."""
    u = rng.uniform
    kind = rng.choice(["none", "some", "most", "cords"], p=[0.12, 0.45, 0.28, 0.15])
    nest = np.zeros((size, size), bool)
    if kind == "cords":
        nest = np.abs(_noise(rng, size, u(10, 25) / MPP, u(1, 4), u(0, np.pi))) < u(0.1, 0.35)
    elif kind != "none":
        blobs = _noise(rng, size, np.exp(u(np.log(8), np.log(60))) / MPP)
        nest = blobs > np.quantile(blobs, 1 - (u(0.1, 0.6) if kind == "some" else u(0.6, 0.95)))
    empty = np.zeros((size, size), bool)
    if rng.random() < 0.25:
        clefts = _noise(rng, size, u(8, 30) / MPP, u(1, 5), u(0, np.pi))
        empty |= clefts > np.quantile(clefts, 1 - u(0.02, 0.2))
    if look.fat:
        part = _noise(rng, size, 40 / MPP) > u(-0.3, 1.2)
        drops = np.zeros((size, size), np.uint8)
        for x, y in _lattice(rng, size, u(55, 80) / MPP, 0.08, part):
            _ellipse(drops, x, y, u(1600, 3800), u(1, 1.3), u(0, 3.1), 1)
        empty |= drops > 0
        nest &= ~(part & empty)
    return nest & ~empty, empty


def _matrix(look: Style, rng: np.random.Generator, nest: NDArray[np.bool_]) -> tuple[Any, Any, float]:
    """(haematoxylin, eosin) of cytoplasm and stroma, and the direction of the fibres."""
    size, u = len(nest), rng.uniform
    angle = u(0, np.pi)
    fibres = _noise(rng, size, u(5, 12) / MPP, u(4, 10), angle)
    pink = look.matrix_pink * np.maximum(1 + look.fibres * fibres, 0.05)
    if rng.random() < 0.35:
        oedema = 1 / (1 + np.exp(-3 * (_noise(rng, size, u(15, 50) / MPP) + u(-1.5, 0.5))))
        pink *= 1 - u(0.3, 0.8) * oedema
    blue = np.full((size, size), look.matrix_blue * look.strength, np.float32) * (1 + 0.2 * fibres)
    if rng.random() < 0.2:  # mucoid stroma is bluish
        blue += u(0.03, 0.12) * (_noise(rng, size, 30 / MPP) > u(0, 1))
    cytoplasm = 1 + u(0.05, 0.25) * _noise(rng, size, u(0.6, 2.5) / MPP)
    pink = np.where(nest, look.matrix_pink * look.cytoplasm_pink * cytoplasm, pink).astype(np.float32)
    blue = np.where(nest, look.cytoplasm_blue * look.tumour_od * cytoplasm, blue).astype(np.float32)
    return blue, pink, angle


def _tumour_nuclei(look: Style, rng: np.random.Generator, nest: NDArray[np.bool_]) -> NDArray[np.float32]:
    size, u = len(nest), rng.uniform
    plane = np.zeros((size, size), np.float32)
    jitter, kept = u(0.1, 0.35), np.full((size, size), u(0.8, 1), np.float32)
    for x, y in _lattice(rng, size, _spacing(look.tumour_area / look.nucleus_of_cell), jitter, nest, kept):
        area = look.tumour_area * np.exp(rng.normal(0, look.tumour_spread))
        long, turn = u(1, 1.7), u(0, np.pi)
        od = look.tumour_od * np.exp(rng.normal(0, 0.15))
        _ellipse(plane, x, y, area, long, turn, od * (1 + look.rim))
        _ellipse(plane, x, y, area * (0.72 if look.rim > 0.05 else 0.95), long, turn, od)
        if look.rim > 0.3 and rng.random() < 0.6:  # nucleolus
            _ellipse(plane, x + rng.normal(0, 1.5), y + rng.normal(0, 1.5), u(2, 5), 1, 0, od * 1.9)
    return plane


def _stromal_nuclei(
    look: Style, rng: np.random.Generator, stroma: NDArray[np.bool_], angle: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fibroblasts along the fibres, crushed cells, debris: dark, but nothing that a reader counts."""
    size, u = len(stroma), rng.uniform
    plane = np.zeros((size, size), np.float32)
    number = rng.poisson(look.fibroblasts_mm2 * stroma.sum() * MPP**2 * 1e-6)
    sites = rng.uniform(0, size, (4 * number + 4, 2))
    for x, y in sites[stroma[sites[:, 1].astype(int), sites[:, 0].astype(int)]][:number]:
        long = u(15, 60), u(2, 6)
        _ellipse(plane, x, y, *long, -angle + rng.normal(0, 0.35), look.lymphocyte_od * u(0.4, 1.0))
    crushed = np.zeros((size, size), bool)
    if rng.random() < 0.12:
        crushed = stroma & (_noise(rng, size, u(10, 30) / MPP) > u(0.6, 1.5))
        turn = u(0, np.pi)
        for x, y in _lattice(rng, size, u(7, 11) / MPP, 0.35, crushed):
            smear = u(15, 70), u(3, 9)
            _ellipse(plane, x, y, *smear, turn + rng.normal(0, 0.3), look.lymphocyte_od * u(0.5, 1.1))
    for x, y in rng.uniform(0, size, (rng.poisson(u(0, 60)), 2)):
        _ellipse(plane, x, y, u(3, 12), u(1, 2), u(0, 3), look.lymphocyte_od * u(0.6, 1.3))
    return plane, crushed


def _infiltrate(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Chance that a site holds a mononuclear cell: none to all, even, in clusters or in sheets."""
    u = rng.uniform
    level = float(rng.choice([u(0, 0.03), u(0.03, 0.3), u(0.3, 0.75), u(0.75, 1.0)], p=[0.2, 0.3, 0.35, 0.15]))
    kind = rng.choice(["diffuse", "clustered", "sheets"], p=[0.5, 0.25, 0.25])
    hills = _noise(rng, size, u(8, 40) / MPP)
    if kind == "diffuse":
        return np.full((size, size), level)
    if kind == "clustered":
        return np.clip(level * np.exp(u(0.6, 1.4) * hills), 0, 1)
    return np.where(hills > np.quantile(hills, 1 - level), u(0.85, 1.0), u(0, 0.08))


def _noise(rng: np.random.Generator, size: int, sigma_px: float, longer: float = 1.0, angle: float = 0.0) -> Any:
    """Noise of unit spread, smooth over ``sigma_px`` along ``angle`` and ``sigma_px / longer`` across."""
    import cv2

    step = max(1, int(sigma_px / longer / 3))
    edge = int(np.ceil(size * 1.5 / step)) + 4
    plane: Any = rng.normal(0, 1, (edge, edge)).astype(np.float32)
    across = max(sigma_px / longer / step, 0.3)
    plane = cv2.GaussianBlur(plane, (0, 0), sigmaX=sigma_px / step, sigmaY=across)
    if step > 1:
        plane = cv2.resize(plane, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    if longer > 1:
        middle = (plane.shape[1] / 2, plane.shape[0] / 2)
        turn = cv2.getRotationMatrix2D(middle, np.degrees(angle), 1)
        plane = cv2.warpAffine(plane, turn, (plane.shape[1], plane.shape[0]), borderMode=cv2.BORDER_REFLECT)
    top, left = ((np.array(plane.shape) - size) // 2).tolist()
    plane = plane[top : top + size, left : left + size]
    return (plane - plane.mean()) / max(plane.std(), 1e-6)


def _spacing(area_um2: float) -> float:
    """Distance [px] of hexagonal sites that have this area each."""
    return float(np.sqrt(area_um2 * 2 / np.sqrt(3)) / MPP)


def _lattice(
    rng: np.random.Generator, size: int, spacing: float, jitter: float, where: NDArray[np.bool_], wanted: Any = None
) -> NDArray[np.float64]:
    """Jittered hexagonal sites (n, 2) as (x, y) [px] within ``where``, each kept with its chance in ``wanted``."""
    step = spacing * np.sqrt(3) / 2
    j, i = np.mgrid[0 : int(size / step) + 2, 0 : int(size / spacing) + 2]
    sites = np.column_stack([(i + 0.5 * (j % 2)).ravel() * spacing, j.ravel() * step])
    sites += rng.normal(0, jitter * spacing, sites.shape) + rng.uniform(-spacing, 0, 2)
    sites = sites[((sites >= 0) & (sites < size)).all(axis=1)]
    at = sites[:, 1].astype(int), sites[:, 0].astype(int)
    keep = where[at]
    if wanted is not None:
        keep = keep & (rng.random(len(sites)) < wanted[at])
    return np.asarray(sites[keep])


def _ellipse(plane: Any, x: float, y: float, area_um2: float, elongation: float, angle: float, value: float) -> None:
    """Paint an ellipse, at a sixteenth of a pixel."""
    import cv2

    minor = np.sqrt(area_um2 / np.pi / elongation) / MPP
    axes = (round(minor * elongation * 16), round(minor * 16))
    centre = (int(x * 16), int(y * 16))
    cv2.ellipse(plane, centre, axes, float(np.degrees(angle)), 0, 360, float(value), -1, cv2.LINE_8, 4)
