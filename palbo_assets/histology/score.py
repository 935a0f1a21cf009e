"""Stromal TILs of a slide: the share of stroma that mononuclear cells occupy.

The definition is the TIL working group's (Salgado et al. Ann Oncol 2015; Hendry et al. 2017): area of stroma
occupied by mononuclear inflammatory cells over total stromal area; not a share of nuclei, no hot spots. The occupied
area is the nuclear area of lymphocytes times a footprint factor (settings), since cytoplasm of a lymphocyte can't be
segmented.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from palbo_assets.histology.classifier import CLASSES, Model
from palbo_assets.histology.evidence import CELL_UM, Evidence, Source, measure
from palbo_assets.histology.regions import Regions
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.stain import PALEST_THRESHOLD
from palbo_assets.study.vocabulary import OBSERVED, Absence, Qc, Timepoint

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

LYMPHOCYTE, TUMOUR = CLASSES.index("lymphocyte"), CLASSES.index("tumour")
NODAL_SITES = frozenset({"ln", "lymph node", "node", "axillary node", "axilla"})
BREAST_SITES = frozenset({"", "breast"})
LARGE_WITHOUT_PYRAMID_PX = 25_000_000
HEATMAP_FULL = 0.6  # share of stroma that is drawn brightest
HEATMAP_PX = 384  # edge from which a picture is readable
HEATMAP_BYTES = 44_000  # 60 kB as base64

FAIL_REASONS = {
    "SMALL_AREA": "tumour and stroma together are below the minimum area",
    "OUT_OF_FOCUS": "too many tiles are blurred",
    "FEW_NUCLEI": "too few nuclei",
    "PALE_STAIN": "there is no haematoxylin to tell nuclei by",
    "NOT_HE": "the colours aren't those of haematoxylin and eosin",
    "MPP_MISMATCH": "objective power and resolution contradict each other",
}
NOT_EVALUABLE_REASONS = {
    "LYMPH_NODE": "lymphocytes of a lymph node aren't infiltrating",
    "NO_STROMA": "too little stroma for a share of it",
}
WARN_REASONS = {
    "SITE_NOT_VALIDATED": "no validated scoring rule exists for this metastatic site",
    "RULE_NOT_VALIDATED_AFTER_TREATMENT": "no scoring rule is validated after treatment: fibrosis where tumour was "
    "counts as stroma and lowers the share",
    "FOLDED": "much of the tissue lies in folds, which aren't scored",
    "SAMPLED": "tiles are an even sample of the section",
    "NO_PYRAMID": "the slide has no reduced levels",
}


@dataclass(frozen=True)
class SlideScore:
    """A slide's scores; percentages and densities are None where the status isn't OBSERVED."""

    stil_area_pct: float | None
    area_rule_pct: float | None
    stil_density_mm2: float | None
    itil_density_mm2: float | None
    etil_pct: float | None
    n_nuclei: int
    n_lymphocytes: int
    n_tumour: int
    tissue_mm2: float
    stroma_mm2: float
    nest_mm2: float
    n_tiles: int
    blurred_pct: float | None
    folded_pct: float | None
    he_hue_pct: float | None
    nuclear_threshold: float
    qc: str
    status: str
    reasons: tuple[str, ...]
    heatmap_png: bytes = field(repr=False, default=b"")


def score(
    source: Source,
    model: Model,
    settings: SlideSettings,
    *,
    site: str = "",
    timepoint: str = "",
    regions: Regions | None = None,
) -> SlideScore:
    """Score a slide or an image.

    Parameters
    ----------
    source
        `slide.Slide` or `slide.Field`.
    model
        The nucleus classifier.
    site
        Anatomical site of the specimen as the lab states it; empty where it doesn't.
    timepoint
        Of the specimen; empty where there is none.
    regions
        Annotated regions that restrict what is scored.

    Raises
    ------
    InputError
        ``E_TRUNCATED`` where pixels can't be decoded.
    """
    evidence = measure(source, settings, regions)
    return judge(source, evidence, model, settings, site=site, timepoint=timepoint)


def judge(
    source: Source, evidence: Evidence, model: Model, settings: SlideSettings, *, site: str = "", timepoint: str = ""
) -> SlideScore:
    """Scores and verdict from a slide's measurements."""
    nuclei = evidence.nuclei
    kind = model.predict(nuclei)
    nest = nest_map(nuclei, kind == TUMOUR, evidence.tissue, settings)
    stroma = evidence.tissue & ~nest
    in_nest = _at(nest, nuclei)
    lymphocyte = kind == LYMPHOCYTE
    stroma_mm2, nest_mm2 = (float(area.sum()) * CELL_UM**2 * 1e-6 for area in (stroma, nest))
    occupied_mm2 = float(nuclei["area_um2"].to_numpy()[lymphocyte & ~in_nest].sum()) * settings.footprint_factor * 1e-6
    n_lymphocytes, n_tumour = int(lymphocyte.sum()), int((kind == TUMOUR).sum())

    fails, gaps, warnings = _verdict(source, evidence, stroma_mm2, settings, site, timepoint)
    status = Absence.QC_FAIL if fails else Absence.NOT_EVALUABLE if gaps else OBSERVED
    observed = status == OBSERVED
    immune_or_tumour = n_lymphocytes + n_tumour
    area_rule = min(100.0, 100 * occupied_mm2 / stroma_mm2) if observed else None
    return SlideScore(
        stil_area_pct=_calibrated(model, area_rule),
        area_rule_pct=area_rule,
        stil_density_mm2=int((lymphocyte & ~in_nest).sum()) / stroma_mm2 if observed else None,
        itil_density_mm2=int((lymphocyte & in_nest).sum()) / nest_mm2 if observed and nest_mm2 > 0 else None,
        etil_pct=100 * n_lymphocytes / immune_or_tumour if observed and immune_or_tumour else None,
        n_nuclei=len(nuclei),
        n_lymphocytes=n_lymphocytes,
        n_tumour=n_tumour,
        tissue_mm2=evidence.tissue_mm2,
        stroma_mm2=stroma_mm2,
        nest_mm2=nest_mm2,
        n_tiles=evidence.n_tiles,
        blurred_pct=_percent(evidence.blurred_share),
        folded_pct=_percent(evidence.folded_share),
        he_hue_pct=_percent(evidence.he_hue_share),
        nuclear_threshold=evidence.threshold,
        qc=str(Qc.FAIL if fails or gaps else Qc.WARN if warnings else Qc.PASS),
        status=str(status),
        reasons=(*fails, *gaps, *warnings),
        heatmap_png=heatmap(nuclei, lymphocyte & ~in_nest, _of_the_slide(source, stroma), settings),
    )


def _of_the_slide(source: Source, area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A map of whole tiles without what of the last ones lies beyond the slide: its picture has the slide's shape."""
    columns, rows = (math.ceil(side / CELL_UM) for side in source.size_um)
    return area[:rows, :columns]


def _calibrated(model: Model, area_rule: float | None) -> float | None:
    """What experts would say where the model was calibrated on their scores, else the area rule as it is."""
    if model.calibration is None or area_rule is None:
        return area_rule
    return float(model.calibration.percent(area_rule))


def _verdict(
    source: Source, evidence: Evidence, stroma_mm2: float, settings: SlideSettings, site: str, timepoint: str
) -> tuple[list[str], list[str], list[str]]:
    """(reasons to fail, reasons not to evaluate, warnings) as codes."""
    place = _place(site)
    power = source.objective_power
    product = power * source.mpp if power else 10.0
    width, height = source.level_sizes[0]
    fails = {
        "SMALL_AREA": evidence.tissue_mm2 < settings.min_scored_mm2,
        "OUT_OF_FOCUS": evidence.blurred_share > settings.max_blurred,
        "FEW_NUCLEI": len(evidence.nuclei) < settings.min_nuclei,
        "PALE_STAIN": evidence.threshold < PALEST_THRESHOLD,
        "NOT_HE": not evidence.he_hue_share >= settings.min_he_hue,
        "MPP_MISMATCH": not settings.objective_times_mpp_min <= product <= settings.objective_times_mpp_max,
    }
    gaps = {"LYMPH_NODE": place in NODAL_SITES, "NO_STROMA": stroma_mm2 < settings.min_stroma_mm2}
    warnings = {
        "SITE_NOT_VALIDATED": place not in NODAL_SITES | BREAST_SITES,
        "RULE_NOT_VALIDATED_AFTER_TREATMENT": timepoint not in ("", Timepoint.BL),
        "FOLDED": evidence.folded_share > settings.max_folded,
        "SAMPLED": evidence.n_tiles < evidence.n_tiles_tissue,
        "NO_PYRAMID": len(source.level_sizes) == 1 and width * height > LARGE_WITHOUT_PYRAMID_PX,
    }
    failed, missing, warned = ([code for code, is_so in group.items() if is_so] for group in (fails, gaps, warnings))
    return failed, missing, warned


def nest_map(
    nuclei: pd.DataFrame, tumour: NDArray[np.bool_], tissue: NDArray[np.bool_], settings: SlideSettings
) -> NDArray[np.bool_]:
    """Map of tumour nests: tissue where tumour nuclei, smoothed over about a cell, cover enough of the area.

    Parameters
    ----------
    tumour
        Which rows of ``nuclei`` are tumour.
    tissue
        (rows, columns) tissue map of `CELL_UM` cells.
    """
    import cv2

    covered = _rasterise(nuclei, tumour, tissue.shape) / CELL_UM**2
    smooth = cv2.GaussianBlur(covered, (0, 0), settings.nest_smoothing_um / CELL_UM)
    return np.asarray((smooth >= settings.nest_fraction) & tissue)


def heatmap(
    nuclei: pd.DataFrame, chosen: NDArray[np.bool_], stroma: NDArray[np.bool_], settings: SlideSettings
) -> bytes:
    """PNG of the share of stroma that the chosen nuclei's cells occupy: dark 0 %, bright 60 % and more, white no
    stroma.

    At most 44 kB, for the asset's metadata.
    """
    import cv2

    if not stroma.any():
        return b""
    occupied = _rasterise(nuclei, chosen, stroma.shape) * np.float32(settings.footprint_factor)
    area = stroma.astype(np.float32) * np.float32(CELL_UM**2)
    edge = 192
    while True:
        scale = min(1.0, edge / max(stroma.shape))
        size = (max(1, int(stroma.shape[1] * scale)), max(1, int(stroma.shape[0] * scale)))
        over, under = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (occupied, area))
        share = cv2.GaussianBlur(over, (0, 0), 1.5) / np.maximum(cv2.GaussianBlur(under, (0, 0), 1.5), 1e-6)
        level = np.floor(np.clip(share / HEATMAP_FULL, 0, 1) * 15) * 17  # sixteen steps, so that it compresses
        picture = cv2.applyColorMap(level.astype(np.uint8), cv2.COLORMAP_VIRIDIS)
        picture[under < 0.25 * CELL_UM**2] = 255
        larger = max(1, HEATMAP_PX // max(size))
        picture = picture.repeat(larger, axis=0).repeat(larger, axis=1)
        done, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        png = encoded.tobytes() if done else b""
        if len(png) <= HEATMAP_BYTES or edge < 16:
            return png
        edge //= 2


def _rasterise(nuclei: pd.DataFrame, chosen: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Nuclear area [um2] of the chosen nuclei in each map cell, put where the centroid is."""
    rows, columns = _cells(nuclei, shape)
    weights = nuclei["area_um2"].to_numpy(dtype=float)[chosen]
    flat = np.bincount(rows[chosen] * shape[1] + columns[chosen], weights=weights, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float32)


def _cells(nuclei: pd.DataFrame, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = np.clip((nuclei["y_um"].to_numpy(dtype=float) / CELL_UM).astype(np.int64), 0, shape[0] - 1)
    columns = np.clip((nuclei["x_um"].to_numpy(dtype=float) / CELL_UM).astype(np.int64), 0, shape[1] - 1)
    return rows, columns


def _at(area: NDArray[np.bool_], nuclei: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(area[_cells(nuclei, area.shape)])


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else 100 * share


def as_row(result: SlideScore, site: str) -> dict[str, object]:
    """The score's columns of ``til_scores``."""
    place = _place(site)
    names = (
        "stil_area_pct, area_rule_pct, stil_density_mm2, itil_density_mm2, etil_pct, n_nuclei, "
        "n_lymphocytes, n_tumour, tissue_mm2, stroma_mm2, nest_mm2, n_tiles, blurred_pct, folded_pct, he_hue_pct, "
        "nuclear_threshold, qc, status"
    )
    return {name: getattr(result, name) for name in names.split(", ")} | {
        "site_validated": place in BREAST_SITES if place else None,
        "reasons": ";".join(result.reasons) or None,
    }


def _place(site: str) -> str:
    return " ".join(site.strip().lower().replace("_", " ").split())
