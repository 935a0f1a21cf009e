"""The room's products. The science is in the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.product import Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.serum.settings import Settings
from palbo_assets.serum.tables import (
    ELISA_CONTROL_CHART,
    ELISA_CONTROLS,
    ELISA_PLATES,
    ELISA_RESULTS,
    NRG1_CHANGES,
    NRG1_ELISA,
)
from palbo_assets.study.partitions import BATCH, COHORT, SAMPLE
from palbo_assets.study.vocabulary import OBSERVED, Modality

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from palbo_assets.serum.plate import PlateResult

GROUP = "serum"
READS = (str(Modality.ELISA),)


@product(
    ELISA_PLATES,
    BATCH,
    reads=READS,
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def elisa_plates(step: Step) -> pd.DataFrame:
    """Standard curve (weighted logistic), limits of quantification and detection, and acceptance of each plate."""
    from palbo_assets.serum.plate_plot import curve_picture

    result = _evaluate(step)
    step.report(
        accepted=bool(result.plate["accepted"]),
        standards_passing=int(result.plate["n_standards_passing"]),
        quality_controls_passing=int(result.plate["n_qc_passing"]),
    )
    picture = curve_picture(result)
    if picture is not None:
        step.report(standard_curve=dg.MetadataValue.md(f"![standard curve](data:image/png;base64,{picture})"))
    return frame_from_rows(ELISA_PLATES, [result.plate])


@product(
    ELISA_CONTROLS,
    BATCH,
    reads=READS,
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def elisa_controls(step: Step) -> pd.DataFrame:
    """Quality-control and bridge wells of each plate, as they were measured."""
    controls = _evaluate(step).controls
    step.report(wells=len(controls))
    return frame_from_rows(ELISA_CONTROLS, [{str(k): v for k, v in row.items()} for row in _records(controls)])


@product(
    ELISA_RESULTS,
    BATCH,
    reads=READS,
    settings=Settings,
    code_version="2",
    group=GROUP,
    kinds={"scipy", "sql"},
)
def elisa_results(step: Step) -> pd.DataFrame:
    """Concentration of each specimen on the plate: replicates, dilution, censoring at the limits of quantification."""
    frame = frame_from_rows(ELISA_RESULTS, _evaluate(step).specimens)
    step.report(
        specimens=int(frame["specimen_id"].nunique()),
        quantified=int((frame["status"] == OBSERVED).sum()),
        below_lloq=int((frame["censored"] == "<").sum()),
        above_uloq=int((frame["censored"] == ">").sum()),
    )
    return frame


@product(
    NRG1_ELISA,
    SAMPLE,
    upstream=(ELISA_RESULTS,),
    code_version="2",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def nrg1_elisa(step: Step, elisa_results: pd.DataFrame) -> pd.DataFrame:
    """Serum neuregulin-1, one value a specimen, from the plate and the dilution that the room's rule prefers."""
    from palbo_assets.serum.specimens import one_result_per_specimen

    frame = frame_from_rows(NRG1_ELISA, one_result_per_specimen(elisa_results))
    step.report(specimens=len(frame), quantified=int((frame["status"] == OBSERVED).sum()))
    return frame


@product(
    ELISA_CONTROL_CHART,
    COHORT,
    upstream=(ELISA_CONTROLS,),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def elisa_control_chart(step: Step, elisa_controls: pd.DataFrame) -> pd.DataFrame:
    """Every control and bridge sample on every plate, against the median of all plates."""
    from palbo_assets.serum.control_chart import between_plates, control_chart

    frame = frame_from_rows(ELISA_CONTROL_CHART, control_chart(elisa_controls, step.settings))
    spread, source = between_plates(frame)
    step.report(plates=int(frame["plate_id"].nunique()), between_plates_log_sd=spread or "unknown", source=source or "")
    return frame


@product(
    NRG1_CHANGES,
    COHORT,
    upstream=(NRG1_ELISA, ELISA_CONTROL_CHART),
    settings=Settings,
    code_version="1",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def nrg1_changes(step: Step, nrg1_elisa: pd.DataFrame, elisa_control_chart: pd.DataFrame) -> pd.DataFrame:
    """log2 ratio of serum neuregulin-1 to baseline with its interval; across plates it carries the plates' variance."""
    from palbo_assets.serum.change import changes
    from palbo_assets.serum.control_chart import between_plates

    spread, _ = between_plates(elisa_control_chart)
    frame = frame_from_rows(NRG1_CHANGES, changes(nrg1_elisa, spread, step.settings))
    step.report(
        changes=int((frame["status"] == OBSERVED).sum()),
        on_one_plate=int(frame["same_plate"].fillna(False).astype(bool).sum()),
    )
    return frame


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _evaluate(step: Step) -> PlateResult:
    from palbo_assets.serum.plate import evaluate_files, without_export

    export, layout = _only(step, "plate"), _only(step, "layout")
    if export is None or layout is None:
        # The landing refused the other file; the plate is known, and known not to be usable.
        plate_id = step.partition_key.removeprefix(f"{READS[0]}-")
        return without_export(plate_id, "no_layout" if layout is None else "no_export")
    return evaluate_files(export, layout, step.settings)


def _only(step: Step, role: str) -> Path | None:
    files = step.files(role)
    if len(files) > 1:
        raise InputError(
            "E_SCHEMA",
            f"the plate has {len(files)} files of role {role}",
            fix="deliver one export and one layout a plate; a correction keeps the file name, so that it supersedes",
        )
    return files[0].path if files else None


ASSETS = (elisa_plates, elisa_controls, elisa_results, nrg1_elisa, elisa_control_chart, nrg1_changes)
