"""The histology products: the classifier, stromal TILs of slides, and marker immunohistochemistry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palbo_assets.histology.settings import (
    CyclinEIhcSettings,
    IhcImagesSettings,
    TilMarkerIhcSettings,
    TilModelSettings,
    TilScoresSettings,
)
from palbo_assets.histology.tables import (
    CYCLIN_E_IHC,
    CYCLIN_E_PAIRS,
    IHC_IMAGES,
    IHC_SCORES,
    TIL_MARKER_IHC,
    TIL_MODEL,
    TIL_SCORES,
)
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.study.partitions import BATCH, COHORT, PATIENT, SAMPLE

if TYPE_CHECKING:
    import pandas as pd

_LEARNING = frozenset({"scikitlearn", "sql"})
_TABLES = frozenset({"csv", "pandas", "sql"})


@product(
    TIL_MODEL,
    COHORT,
    references=("til_training",),
    settings=TilModelSettings,
    group="histology",
    kinds=_LEARNING,
)
def til_model(step: Step) -> pd.DataFrame:
    """The classifier of nuclei: trained on labelled nuclei where the reference bundle gives them (`til_training`),
    else on rendered nuclei, and then not validated; where the bundle gives fields that experts scored, its score is
    calibrated on them, with the accuracy on left-out patients beside it. The model itself is in the row, so every
    score names the one it came from."""
    from palbo_assets.histology import calibration, classifier, scored_fields

    settings = step.settings.training
    path = step.references.get("til_training")
    if path is not None and calibration.is_scored_fields(path):
        training = scored_fields.calibrated(
            classifier.train(settings), calibration.read(path), step.settings.calibration, settings
        )
    else:
        training = classifier.train(settings, classifier.read_training(path, settings) if path is not None else None)
    row = classifier.model_row(training)
    row["training_sha256"] = step.references.entry("til_training").sha256 if path is not None else None
    step.report(
        model_version=row["model_version"],
        training_source=row["training_source"],
        cv_balanced_accuracy=row["cv_balanced_accuracy"],
        validated=row["validated"],
        model_card=_card(row),
    )
    return frame_from_rows(TIL_MODEL, [row])


@product(
    TIL_SCORES,
    SAMPLE,
    reads=("he_slide",),
    roles=("slide", "annotations"),
    upstream=(TIL_MODEL,),
    settings=TilScoresSettings,
    group="histology",
    kinds=frozenset({"tiff", "scikitlearn", "sql"}),
)
def til_scores(step: Step, til_model: pd.DataFrame) -> pd.DataFrame:
    """Stromal TILs of the sample's slides: area of stroma occupied by mononuclear cells over area of stroma,
    densities in stroma and nests, quality of the slide. A heat map shows where they are. `validated` is that of the
    classifier."""
    from palbo_assets.histology import score

    model, validated = _model_of(til_model)
    rows: list[dict[str, Any]] = []
    for number, slide in enumerate(step.files("slide"), start=1):
        drawn = _annotations_of(slide, step.files("slide"), step.files("annotations"))
        result, mpp = _scored(slide, drawn, model, step.settings.slides, step.timepoint)
        rows.append(
            {
                "patient_id": step.patient_id,
                "timepoint": step.timepoint,
                "specimen_id": slide.specimen_id,
                "slide_sha256": slide.sha256,
                "mpp": mpp,
                "model_version": model.version,
                "validated": validated,
                "annotated": drawn is not None,
                **score.as_row(result, slide.site),
            }
        )
        step.report(**{f"slide_{number}": f"qc {result.qc}; {result.n_tiles} tiles, {result.n_nuclei} nuclei"})
        if result.heatmap_png and number == 1:
            step.report(heatmap=_picture(result.heatmap_png))
    step.report(slides=len(rows), nuclei=sum(row["n_nuclei"] for row in rows))
    return frame_from_rows(TIL_SCORES, rows)


def _model_of(til_model: pd.DataFrame) -> tuple[Any, bool]:
    from palbo_assets.histology.classifier import Model
    from palbo_assets.platform.errors import PalboError

    if til_model.empty:
        raise PalboError("E_MODEL", "there is no classifier yet", fix="materialise til_model, then this partition")
    row = til_model.iloc[0]
    return Model.from_json(str(row["model_json"])), bool(row["validated"])


def _annotations_of(slide: Any, slides: list[Any], annotations: list[Any]) -> Any:
    """The annotation file of a slide: the one named after it, else the only one of the only slide; None without."""
    from palbo_assets.platform.errors import InputError

    def names(annotation: Any, one: Any) -> bool:
        return bool(annotation.path.name.startswith(one.path.stem + "."))

    mine = [each for each in annotations if names(each, slide)]
    stray = [each for each in annotations if not any(names(each, one) for one in slides)]
    if len(slides) == 1:
        mine, stray = mine + stray, []
    if len(mine) > 1 or stray:
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "it is not clear which annotations are the slide's",
            file=slide.path.name,
            fix="deliver one annotation file a slide, named as the slide with .geojson or .xml",
        )
    return mine[0] if mine else None


def _scored(slide: Any, drawn: Any, model: Any, settings: Any, timepoint: str) -> tuple[Any, float]:
    from palbo_assets.histology import regions
    from palbo_assets.histology.score import score
    from palbo_assets.histology.slide import Slide

    with Slide(slide.path, settings) as opened:
        chosen = None
        if drawn is not None:
            chosen = regions.Regions(regions.read(drawn.path, opened.scanned_from), opened.mpp)
            chosen.check_within(opened.level_sizes[0], drawn.path.name)
        result = score(opened, model, settings, site=slide.site, timepoint=timepoint, regions=chosen)
        return result, opened.mpp


def _card(row: dict[str, Any]) -> Any:
    """The model's card as Markdown that the UI shows."""
    from dagster import MetadataValue

    from palbo_assets.histology import model_card

    return MetadataValue.md(model_card.text(row))


def _picture(png: bytes) -> Any:
    """The heat map as Markdown that the UI shows, with what its colours mean."""
    import base64

    from dagster import MetadataValue

    from palbo_assets.histology.score import HEATMAP_FULL

    legend = (
        f"Share of stroma covered by lymphocytes: dark 0 %, yellow {HEATMAP_FULL:.0%} and more; white is no stroma."
    )
    return MetadataValue.md(f"{legend}\n\n![heat map](data:image/png;base64,{base64.b64encode(png).decode()})")


@product(IHC_SCORES, BATCH, reads=("ihc",), code_version="2", group="histology", kinds=_TABLES)
def ihc_scores(step: Step) -> pd.DataFrame:
    """Readings of a delivered scoring table, whatever program wrote it, in one normal form with the line they are
    from."""
    import pandas as pd

    from palbo_assets.histology import ihc_tables

    frames = [ihc_tables.read(file.path) for file in step.files("scores")]
    table = pd.concat(frames, ignore_index=True).rename(columns={"row": "file_row"}).assign(batch_id=step.partition_key)
    step.report(readings=len(table), patients=int(table["patient_id"].nunique()))
    return table[list(IHC_SCORES.column_names)]


@product(
    TIL_MARKER_IHC,
    SAMPLE,
    upstream=(IHC_SCORES,),
    settings=TilMarkerIhcSettings,
    code_version="2",
    group="histology",
    kinds=_TABLES,
)
def til_marker_ihc(step: Step, ihc_scores: pd.DataFrame) -> pd.DataFrame:
    """Density of immune markers by compartment: positive cells per mm2, not evaluable in too small an area."""
    from palbo_assets.histology import ihc_summary

    rows = ihc_summary.marker_densities(ihc_scores, step.settings.markers, step.settings.sections)
    step.report(rows=len(rows))
    return frame_from_rows(TIL_MARKER_IHC, rows)


@product(
    CYCLIN_E_IHC,
    SAMPLE,
    upstream=(IHC_SCORES,),
    settings=CyclinEIhcSettings,
    code_version="2",
    group="histology",
    kinds=_TABLES,
)
def cyclin_e_ihc(step: Step, ihc_scores: pd.DataFrame) -> pd.DataFrame:
    """Cyclin E1 and E2 H-scores of the readers together, nuclear and cytoplasmic apart; without a good control, too few
    nuclei or agreement there is no score, and the row says why."""
    from palbo_assets.histology import ihc_summary

    rows = ihc_summary.cyclin_scores(ihc_scores, step.settings.cyclin, step.settings.sections)
    step.report(rows=len(rows), to_adjudicate=sum(row["adjudicate"] for row in rows))
    return frame_from_rows(CYCLIN_E_IHC, rows)


@product(CYCLIN_E_PAIRS, PATIENT, upstream=(CYCLIN_E_IHC,), code_version="2", group="histology", kinds=_TABLES)
def cyclin_e_pairs(step: Step, cyclin_e_ihc: pd.DataFrame) -> pd.DataFrame:
    """Change of cyclin E since baseline: only of sections stained in the same run, with the same clone and lot; a row
    that is no pair says why."""
    from palbo_assets.histology import ihc_summary

    rows = ihc_summary.cyclin_pairs(cyclin_e_ihc)
    step.report(rows=len(rows), pairs=sum(row["status"] == "OBSERVED" for row in rows))
    return frame_from_rows(CYCLIN_E_PAIRS, rows)


@product(
    IHC_IMAGES,
    SAMPLE,
    reads=("ihc",),
    roles=("image",),
    upstream=(CYCLIN_E_IHC, TIL_MARKER_IHC),
    settings=IhcImagesSettings,
    group="histology",
    kinds=frozenset({"tiff", "sql"}),
)
def ihc_images(step: Step, cyclin_e_ihc: pd.DataFrame, til_marker_ihc: pd.DataFrame) -> pd.DataFrame:
    """Share of brown nuclei in delivered DAB images beside the reading of the same specimen and marker: a contradiction
    is a slip worth a look. It moves no score."""
    import pandas as pd

    from palbo_assets.histology import dab
    from palbo_assets.histology.slide import Slide

    readings = pd.concat([cyclin_e_ihc, til_marker_ihc.rename(columns={"pct_positive": "positive_pct"})])
    readings = readings[["specimen_id", "marker", "compartment", "positive_pct"]].astype(object)
    readings = readings.where(readings.notna(), None)
    rows = []
    for file in step.files("image"):
        marker = str(file.facts["marker"])
        with Slide(file.path) as opened:
            found, mpp = dab.count_slide(opened, step.settings.dab), opened.mpp
        of_specimen = readings[readings["specimen_id"] == file.specimen_id].to_dict("records")
        rows.append(
            {
                "patient_id": step.patient_id,
                "timepoint": step.timepoint,
                "specimen_id": file.specimen_id,
                "image_sha256": file.sha256,
                "marker": marker,
                "mpp": mpp,
                "n_tiles": found.n_tiles,
                "n_nuclei": found.n_nuclei,
                "positive_pct": found.positive_pct,
                "dab_area_pct": found.dab_area_pct,
                **dab.compared(found, marker, of_specimen, step.settings.dab),
            }
        )
    step.report(images=len(rows), contradicted=sum(row["agrees"] is False for row in rows))
    return frame_from_rows(IHC_IMAGES, rows)


ASSETS = (til_model, til_scores, ihc_scores, til_marker_ihc, cyclin_e_ihc, cyclin_e_pairs, ihc_images)
