"""Files that pathology may deliver, each with the verifier that the landing runs."""

from __future__ import annotations

from pathlib import Path

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context, FileFormat, Finding, Scope


def verify_slide(path: Path, claim: Claim, context: Context) -> Finding:
    """The slide opens, states its resolution, stays within the pixel budget, and its last tiles decode.

    Raises
    ------
    InputError
        ``E_EMPTY, E_SCHEMA, E_TRUNCATED, E_TOO_BIG, E_NO_MPP``.
    """
    from palbo_assets.histology import dicom
    from palbo_assets.histology.slide import Slide

    with Slide(path) as slide:
        width, height = slide.level_sizes[0]
        if dicom.is_dicom(path):
            dicom.check_instance(path, width)
        slide.decode_last_tiles()
        finding: dict[str, str | int | float] = {
            "width_px": width,
            "height_px": height,
            "levels": len(slide.level_sizes),
            "mpp": slide.mpp,
        }
        if slide.objective_power is not None:
            finding["objective_power"] = slide.objective_power
        return finding


def verify_image(path: Path, claim: Claim, context: Context) -> Finding:
    """As `verify_slide`; and the stained marker is known, from ``sample_name`` or the file's name.

    Raises
    ------
    InputError
        What `verify_slide` raises; ``E_SCHEMA`` without a marker.
    """
    from palbo_assets.histology import ihc_vocabulary
    from palbo_assets.histology.ihc_exports import IMAGE_NAME

    named = IMAGE_NAME.fullmatch(path.name)
    marker = ihc_vocabulary.marker(claim.sample_name or (named["marker"] if named else ""))
    if marker is None:
        raise InputError(
            "E_SCHEMA",
            "neither sample_name nor the file's name says which marker was stained",
            file=path.name,
            column="sample_name",
            fix=f"use {', '.join(ihc_vocabulary.MARKERS)}",
        )
    return {**verify_slide(path, claim, context), "marker": marker, "slot": marker}


def verify_annotations(path: Path, claim: Claim, context: Context) -> Finding:
    """Annotations are QuPath's GeoJSON or ASAP's XML, and enclose something.

    Raises
    ------
    InputError
        ``E_EMPTY, E_ENCODING, E_TOO_BIG, E_SCHEMA``.
    """
    from palbo_assets.histology import regions

    polygons = regions.read(path)
    if not polygons:
        raise InputError(
            "E_SCHEMA",
            "no annotation encloses an area",
            file=path.name,
            fix="draw what may be scored as a closed region; points and lines restrict nothing",
        )
    return {"regions": len(polygons), "excluded_regions": sum(polygon.excluded for polygon in polygons)}


def verify_scores(path: Path, claim: Claim, context: Context) -> Finding:
    """A scoring table is read whole, as its asset will.

    Raises
    ------
    InputError
        What `ihc_tables.read` raises, with row and column.
    """
    from palbo_assets.histology import ihc_tables

    readings = ihc_tables.read(path)
    return {
        "readings": len(readings),
        "patients": int(readings["patient_id"].nunique()),
        "markers": int(readings["marker"].nunique()),
        "layout": str(readings["layout"].iloc[0]),
    }


def scores_key(path: Path, claim: Claim, context: Context) -> str:
    """Batch of a scoring table: what it reads (specimens, markers, scorers, runs), whatever the file is called.

    So a corrected table replaces the first, and next week's table of the same name doesn't.
    """
    import hashlib

    from palbo_assets.histology import ihc_tables

    readings = sorted("\t".join(key) for key in ihc_tables.read(path)[list(ihc_tables.READING)].to_numpy(dtype=str))
    return "scores-" + hashlib.sha256("\n".join(readings).encode()).hexdigest()[:12]


_SLIDES = (".svs", ".ndpi", ".scn", ".bif", ".mrxs", ".tif", ".tiff", ".dcm")
FORMATS = [
    FileFormat(
        modality="he_slide",
        role="slide",
        suffixes=_SLIDES,
        scope=Scope.SAMPLE,
        verify=verify_slide,
        description="H&E whole-slide image that states its resolution: SVS, NDPI, SCN, BIF, MRXS, DICOM (the file of "
        "full resolution, its series beside it) or a tiled pyramidal TIFF",
    ),
    FileFormat(
        modality="he_slide",
        role="annotations",
        suffixes=(".geojson", ".json", ".xml"),
        scope=Scope.SAMPLE,
        verify=verify_annotations,
        description="Annotated regions of the slide that restrict what is scored: QuPath GeoJSON or ASAP XML",
    ),
    FileFormat(
        modality="ihc",
        role="scores",
        suffixes=(".csv", ".tsv", ".txt"),
        scope=Scope.BATCH,
        verify=verify_scores,
        description="IHC scoring table of many patients: the study's CSV, or a QuPath, HALO or inForm export",
        batch_key=scores_key,
    ),
    FileFormat(
        modality="ihc",
        role="image",
        suffixes=_SLIDES,
        scope=Scope.SAMPLE,
        verify=verify_image,
        description="Section or field stained with DAB that states its resolution: a cross-check of its reading",
    ),
]
