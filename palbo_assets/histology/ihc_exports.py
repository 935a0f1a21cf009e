"""Tables of QuPath, HALO and inForm, renamed to the columns of the study's scores table.

Only names, counts and areas are translated here; what the cells may hold is checked once, in `ihc_tables`. These
programs know no patients: patient, timepoint and marker come from columns of these names where the lab added them
(QuPath exports project metadata so), else from the image's name ``PATIENT_TIMEPOINT_MARKER...``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.histology import ihc_vocabulary, section_handling
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.text import number

if TYPE_CHECKING:
    import pandas as pd

IDENTITY = (
    "patient_id",
    "timepoint",
    "marker",
    "specimen_id",
    "scorer",
    "antibody",
    "clone",
    "lot",
    "run",
    "control_ok",
    *section_handling.COLUMNS,
)
IMAGE_NAME = re.compile(
    r"(?P<patient_id>[A-Z0-9-]+)[_ ](?P<timepoint>[A-Z0-9]+)[_ ](?P<marker>[A-Za-z0-9-]+)(?:[_ .].*)?"
)
COUNTS = {"pct_0": "n_0", "pct_1plus": "n_1plus", "pct_2plus": "n_2plus", "pct_3plus": "n_3plus"}
# QuPath: https://qupath.readthedocs.io, "Exporting measurements"; HALO: summary analysis data of
# Multiplex/CytoNuclear IHC
QUPATH = {
    "image": r"image",
    "region": r"name",
    "compartment": r"class|classification",
    "n_cells": r"num detections",
    "n_positive": r"num positive",
    "n_0": r"num negative",
    "n_1plus": r"num 1\+",
    "n_2plus": r"num 2\+",
    "n_3plus": r"num 3\+",
    "h_score": r"h-score",
    "area_um2": r"area μm\^2",
}
HALO = {
    "image": r"image tag|image location|image file name",
    "region": r"analysis region|algorithm region",
    "compartment": r"classifier label|tissue class|region class",
    "n_cells": r"total cells",
    "n_positive": r"(?!%)(?:.+ )?positive cells",
    "n_0": r"(?!%)(?:.+ )?negative cells",
    "n_1plus": r"(?!%)(?:.+ )?(?:weak positive cells|1\+ cells)",
    "n_2plus": r"(?!%)(?:.+ )?(?:moderate positive cells|2\+ cells)",
    "n_3plus": r"(?!%)(?:.+ )?(?:strong positive cells|3\+ cells)",
    "h_score": r"(?:.+ )?h-score",
    "area_mm2": r"(?:total )?(?:area analyzed|classified area|tissue area|total area) ?\(mm2\)",
}
INFORM = ("Sample Name", "Tissue Category", "Phenotype", "Cell ID")


@dataclass(frozen=True)
class Renamed:
    """A table in the study's columns (text), and the column of the file behind each for messages."""

    table: pd.DataFrame
    source_column: Mapping[str, str]
    layout: str


def plain(header: str) -> str:
    """A header without differences of encoding, case and spacing: the two code points of micro are one, mm² is mm2."""
    return " ".join(unicodedata.normalize("NFKC", header).lower().split())


def layout_of(header: list[str]) -> str:
    """``study``, ``qupath``, ``halo``, ``inform`` or empty for an unknown table."""
    names = {plain(name) for name in header}
    if {"specimen_id", "marker", "compartment"} <= names:
        return "study"
    if {plain(name) for name in INFORM} <= names:
        return "inform"
    if {"image", "num detections"} <= names:
        return "qupath"
    if "total cells" in names and any(re.fullmatch(HALO["image"], name) for name in names):
        return "halo"
    return ""


def translate(raw: pd.DataFrame, layout: str, path: Path, decimal_comma: bool) -> Renamed:
    """``raw`` (text, indexed by line) in the study's columns.

    Raises
    ------
    InputError
        ``E_SCHEMA`` and ``E_SAMPLE_MISMATCH`` (an image's name says no patient), with row and column.
    """
    reader: dict[str, Callable[..., Renamed]] = {"qupath": _counts_table, "halo": _counts_table, "inform": _inform}
    return reader[layout](raw, layout, path, decimal_comma)


def _counts_table(raw: pd.DataFrame, layout: str, path: Path, decimal_comma: bool) -> Renamed:
    """QuPath and HALO: a row an annotation, with counts by intensity."""
    import pandas as pd

    pattern = QUPATH if layout == "qupath" else HALO
    source: dict[str, str] = {}
    for name, expression in pattern.items():
        for header in raw.columns:
            matches = re.fullmatch(expression, plain(header)) is not None
            intensity = name == "n_positive" and re.search(r"(weak|moderate|strong) positive", plain(header))
            if matches and not intensity and name not in source:
                source[name] = header
    source.update({name: header for header in raw.columns for name in IDENTITY if plain(header) == name})
    table = pd.DataFrame(index=raw.index)
    for name, header in source.items():
        table[name] = raw[header]

    def cell(row: int, name: str) -> float | None:
        if name not in source:
            return None
        return number(
            str(raw.at[row, source[name]]), path=path, row=row, column=source[name], decimal_comma=decimal_comma
        )

    for row in map(int, raw.index):
        counts = {pct: cell(row, n) for pct, n in COUNTS.items()}
        known = [value for value in counts.values() if value is not None]
        if len(known) == len(COUNTS) and sum(known) > 0:
            for pct, value in counts.items():
                table.loc[row, pct] = repr(100 * float(value or 0) / sum(known))
        if (area := cell(row, "area_um2")) is not None:
            table.loc[row, "area_mm2"] = repr(area * 1e-6)
    source |= {pct: source[n] for pct, n in COUNTS.items() if n in source}
    if "area_um2" in source:
        source["area_mm2"] = source["area_um2"]
    if decimal_comma:
        for name in ("n_cells", "n_positive", "h_score", "area_mm2", *section_handling.AGES):
            if name in table and not (name == "area_mm2" and "area_um2" in source):
                table[name] = table[name].str.replace(",", ".", regex=False)
    table = table.drop(columns=[name for name in (*COUNTS.values(), "area_um2") if name in table]).fillna("")
    if "scorer" not in table:
        table["scorer"] = layout
    return Renamed(_identified(table, path, source), source, layout)


def inform_counts(raw: pd.DataFrame, path: Path, um_per_pixel: float | None = None) -> pd.DataFrame:
    """Cells by sample, tissue category and phenotype of an inForm cell table or of its summary.

    Parameters
    ----------
    raw
        The table as text, indexed by line.
    um_per_pixel
        Pixel size [um] for areas that inForm gives in pixels; areas stay unknown without it.

    Returns
    -------
    pandas.DataFrame
        ``sample, category, phenotype, n_positive, n_cells, area_mm2`` (NaN where unknown), ``row``: the first line that
        speaks of it. Categories without cells and without area are left out.
    """
    import pandas as pd

    totals = raw["Cell ID"].str.lower() == "all"
    if totals.any():
        area_column = next((c for c in raw.columns if plain(c).startswith("tissue category area")), "")
        # A category of All sums the others.
        kept = raw[totals & (raw["Tissue Category"].str.lower() != "all")]
        rows = []
        for row, line in kept.iterrows():
            area = number(line[area_column], path=path, row=int(row), column=area_column) if area_column else None  # type: ignore[call-overload]
            count = number(line["Total Cells"], path=path, row=int(row), column="Total Cells")  # type: ignore[call-overload]
            in_um = "square microns" in plain(area_column)
            scale = 1e-6 if in_um else um_per_pixel**2 * 1e-6 if um_per_pixel else None
            rows.append(
                {
                    "sample": line["Sample Name"],
                    "category": line["Tissue Category"],
                    "phenotype": line["Phenotype"],
                    "n_positive": int(count or 0),
                    "area_mm2": area * scale if area is not None and scale is not None else float("nan"),
                    "area": area,
                    "row": int(row),  # type: ignore[call-overload]
                }
            )
        table = pd.DataFrame(rows)
        table = table[table["area"].fillna(0) > 0].drop(columns="area")
        everything = table[table["phenotype"].str.lower() == "all"].set_index(["sample", "category"])["n_positive"]
        table = table[table["phenotype"].str.lower() != "all"]
        pairs = list(zip(table["sample"], table["category"], strict=True))
        return table.assign(n_cells=[int(everything.get(pair, 0)) for pair in pairs]).reset_index(drop=True)
    cells = raw.assign(row=raw.index)
    keys = ["Sample Name", "Tissue Category"]
    counted = (
        cells.groupby([*keys, "Phenotype"], sort=True).agg(n_positive=("row", "size"), row=("row", "min")).reset_index()
    )
    n_cells = cells.groupby(keys)["row"].size().rename("n_cells").reset_index()
    counted = counted.merge(n_cells, on=keys).assign(area_mm2=float("nan"))
    return counted.rename(columns={"Sample Name": "sample", "Tissue Category": "category", "Phenotype": "phenotype"})


def _inform(raw: pd.DataFrame, layout: str, path: Path, decimal_comma: bool) -> Renamed:
    """inForm: a row a cell, or a row a phenotype in the summary."""
    counts = inform_counts(raw, path)
    # inForm calls glass without tissue Background.
    counts = counts[counts["category"].str.lower() != "background"].reset_index(drop=True)
    counts["marker"] = [ihc_vocabulary.marker_of_phenotype(name) or "" for name in counts["phenotype"]]
    # A phenotype that is no marker of the study (Other, a tumour phenotype) counts among the cells only.
    counts = counts[counts["marker"] != ""]
    if counts.empty:
        raise InputError(
            "E_EMPTY", "no phenotype of the table is a marker of the study", file=path.name, column="Phenotype"
        )
    table = counts.set_index("row")[["sample", "category", "marker", "n_positive", "n_cells", "area_mm2"]]
    table = table.rename(columns={"sample": "image", "category": "compartment"})
    table["area_mm2"] = ["" if area != area else repr(float(area)) for area in table["area_mm2"]]
    table = table.astype(str)
    table["scorer"] = layout
    source = {
        "image": "Sample Name",
        "compartment": "Tissue Category",
        "marker": "Phenotype",
        "n_positive": "Phenotype",
    }
    for header in raw.columns:
        name = plain(header)
        if name in IDENTITY and name != "marker":
            _refuse_several_in_one_image(raw, header, path)
            table[name] = raw.loc[table.index, header]
            source[name] = header
    return Renamed(_identified(table, path, source), source, layout)


def _refuse_several_in_one_image(raw: pd.DataFrame, header: str, path: Path) -> None:
    """Cells are counted by image, so an image must be of one patient, timepoint and so on."""
    first = raw.groupby("Sample Name")[header].transform("first")
    other = raw.index[raw[header] != first]
    if len(other):
        raise InputError(
            "E_SAMPLE_MISMATCH",
            "one image has several values of the column",
            file=path.name,
            row=int(other[0]),
            column=header,
            fix="state one value an image",
        )


def _identified(table: pd.DataFrame, path: Path, source: dict[str, str]) -> pd.DataFrame:
    """The table with patient, timepoint, marker and specimen, from the image's name where no column says them."""
    table = table.copy()
    wanted = [name for name in ("patient_id", "timepoint", "marker") if name not in table]
    stems = [re.split(r"[\\/]", image)[-1] for image in table["image"]]
    if wanted:
        matches = [IMAGE_NAME.fullmatch(stem) for stem in stems]
        for row, match in zip(table.index, matches, strict=True):
            if match is None:
                raise InputError(
                    "E_SAMPLE_MISMATCH",
                    f"neither a column nor the image's name says {', '.join(wanted)}",
                    file=path.name,
                    row=int(row),
                    column=source["image"],
                    fix="name images PATIENT_TIMEPOINT_MARKER, or add columns patient_id, timepoint and marker",
                )
        for name in wanted:
            table[name] = [match[name] for match in matches if match is not None]
            source[name] = source["image"]
    if "specimen_id" not in table:
        table["specimen_id"] = [re.sub(r"\.[A-Za-z0-9]{2,5}$", "", stem) for stem in stems]
        source["specimen_id"] = source["image"]
    return table.drop(columns="image")
