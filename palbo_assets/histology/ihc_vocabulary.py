"""Names of markers and compartments, and the spellings of them that pathology software and people use."""

from __future__ import annotations

CYCLINS = ("CYCLIN_E1", "CYCLIN_E2")
TIL_MARKERS = ("CD3", "CD4", "CD8", "CD20", "CD45", "CD68", "CD163", "FOXP3", "PD-1", "PD-L1")
OTHER_MARKERS = ("ER", "PR", "HER2", "KI67")
MARKERS = (*CYCLINS, *TIL_MARKERS, *OTHER_MARKERS)

NUCLEAR_READINGS = (*((cyclin, "nuclear") for cyclin in CYCLINS), ("FOXP3", "whole"))
"""Marker and compartment of readings that a share of brown nuclei can be held against: stained in the nucleus, and read
over what an image shows."""

TUMOUR_CELL_COMPARTMENTS = ("nuclear", "cytoplasmic")
AREA_COMPARTMENTS = ("tumour", "stroma", "margin", "whole")
COMPARTMENTS = (*TUMOUR_CELL_COMPARTMENTS, *AREA_COMPARTMENTS)

_MARKER_SPELLINGS = {
    "CCNE1": "CYCLIN_E1",
    "CCNE2": "CYCLIN_E2",
    "PDCD1": "PD-1",
    "CD274": "PD-L1",
    "CD8A": "CD8",
    "MS4A1": "CD20",
    "ESR1": "ER",
    "PGR": "PR",
    "ERBB2": "HER2",
    "MKI67": "KI67",
}
_COMPARTMENT_SPELLINGS = {
    "nucleus": "nuclear",
    "cytoplasm": "cytoplasmic",
    "tumor": "tumour",
    "tumour nest": "tumour",
    "tumor nest": "tumour",
    "intratumoral": "tumour",
    "intratumoural": "tumour",
    "stromal": "stroma",
    "invasive margin": "margin",
    "whole section": "whole",
    "all": "whole",
}
PD_L1_RULES = {
    "SP142": "IC: area of tumour occupied by positive immune cells",
    "22C3": "CPS: positive tumour and immune cells per 100 viable tumour cells",
    "SP263": "TPS: positive tumour cells among viable tumour cells",
    "28-8": "TPS: positive tumour cells among viable tumour cells",
}
"""Scoring rule that each PD-L1 clone was validated with; neither clones nor rules are interchangeable."""
PHENOTYPES = {
    "b": "CD20",
    "b cell": "CD20",
    "cytotoxic t": "CD8",
    "helper t": "CD4",
    "t reg": "FOXP3",
    "treg": "FOXP3",
    "macrophage": "CD68",
}
"""Marker behind an inForm phenotype; names of markers with a + (``CD8+``) stand for themselves."""


def marker(name: str) -> str | None:
    """The study's name of a marker; None when it isn't known."""
    plain = "".join(letter for letter in name.upper() if letter.isalnum())
    known = {"".join(letter for letter in each if letter.isalnum()): each for each in MARKERS}
    return known.get(plain) or _MARKER_SPELLINGS.get(plain)


def compartment(name: str) -> str | None:
    """The study's name of a compartment; None when it isn't known."""
    plain = " ".join(name.strip().lower().replace("_", " ").split())
    return plain if plain in COMPARTMENTS else _COMPARTMENT_SPELLINGS.get(plain)


def marker_of_phenotype(name: str) -> str | None:
    plain = name.strip().lower()
    return PHENOTYPES.get(plain) or marker(plain.rstrip("+"))


def pd_l1_rule(clone: str | None) -> str | None:
    """The scoring rule that belongs to a clone of PD-L1; None for an unknown clone or several."""
    return PD_L1_RULES.get((clone or "").strip().upper())
