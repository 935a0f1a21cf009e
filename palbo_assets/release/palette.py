"""Colours of the pages: one meaning, one colour; distinguishable with red-green colour blindness (Okabe-Ito)."""

from __future__ import annotations

from collections.abc import Mapping

LEDGER: Mapping[str, str] = {
    "READY": "#0b7a5b",
    "RECEIVED": "#56b4e9",
    "EXPECTED": "#cfd8e3",
    "NOT_YET_DUE": "#e6ebf1",
    "OVERDUE": "#e69f00",
    "QUARANTINED": "#d55e00",
    "QC_FAIL": "#8f2d00",
    "NOT_COLLECTED": "#9a9a9a",
    "WITHDRAWN": "#4a4a4a",
    "NOT_EXPECTED": "#f7f7f5",
}
STATE: Mapping[str, str] = {"PRESENT": "#c2410c", "ABSENT": "#dbe4ee", "NOT_EVALUABLE": "#ffffff"}
NOT_STATED = "not stated"
RESPONSE: Mapping[str, str] = {
    "CR": "#0b7a5b",
    "PR": "#56b4e9",
    "SD": "#b9c6d3",
    "NON-CR/NON-PD": "#b9c6d3",
    "PD": "#d55e00",
    "NE": "#e5e5e5",
    NOT_STATED: "#ffffff",
}
TRANSITION: Mapping[str, str] = {
    "acquired": "#c2410c",
    "gained": "#e69f00",
    "preexisting": "#7a7a7a",
    "preexisting_expanded": "#5a5a5a",
    "preexisting_subclonal_expanded": "#a04000",
    "lost": "#0072b2",
    "pd_only_indeterminate": "#f3d9a4",
    "bl_only_indeterminate": "#cfe3f2",
    "stable_absent": "#eef1f4",
    "not_evaluable": "#ffffff",
}
INK = "#1f2933"
MUTED = "#66727f"
LINE = "#94a3b8"
