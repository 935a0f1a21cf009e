"""The model's card: what it is, what it learnt from, how accurate it is, and for what.

`ON_REAL_FIELDS` is what the nuclear area rule, trained on rendered nuclei, measured on expert-scored fields; a test
measures it again and fails where the card says something else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from palbo_assets.histology.classifier import RENDERED


class Figure(NamedTuple):
    """A measured value and its 95 % interval over patients."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


class Claims(NamedTuple):
    """Agreement with the mean of the experts on fields: uncalibrated, and calibrated without the patient in question;
    the median expert against the others."""

    n_fields: int
    n_patients: int
    spearman: Figure
    icc: Figure
    mae_points: Figure
    calibrated_spearman: Figure
    calibrated_icc: Figure
    calibrated_mae_points: Figure
    reader_spearman: Figure
    reader_icc: Figure
    reader_mae_points: Figure


ON_REAL_FIELDS = Claims(
    n_fields=16,
    n_patients=11,
    spearman=Figure(0.36, -0.34, 0.79),
    icc=Figure(0.06, -0.03, 0.19),
    mae_points=Figure(19.8, 2.4, 37.2),
    calibrated_spearman=Figure(-0.12, -0.58, 0.60),
    calibrated_icc=Figure(-0.03, -0.31, 0.32),
    calibrated_mae_points=Figure(27.8, 18.3, 35.0),
    reader_spearman=Figure(0.90, 0.53, 0.98),
    reader_icc=Figure(0.97, 0.35, 1.00),
    reader_mae_points=Figure(5.7, 2.2, 9.0),
)


def text(row: dict[str, Any]) -> str:
    """The card of a row of ``til_model`` as Markdown."""
    lines = [
        f"**Model {row['model_version']}** (sha256 `{row['sha256']}`)",
        f"- nuclei trained on: {row['training_source']}",
        f"- balanced accuracy over left-out groups: {_rounded(row['cv_balanced_accuracy'])}",
        f"- validated: {'yes' if row['validated'] else 'no'}",
        "- for: differences of stromal TILs within a patient and stain batch; not for treatment decisions, "
        "not for lymph nodes; no rule is validated after treatment",
    ]
    if row.get("n_fields"):
        lines += [f"- scored fields: {row['n_fields']} of {row['n_field_patients']} patients"]
        for who, prefix in (("left-out patients", "field"), ("median expert against the others", "reader")):
            lines += [
                f"- {label}, {who}: {_rounded(row[name])} "
                f"({_rounded(row[name + '_low'])} to {_rounded(row[name + '_high'])})"
                for label, name in (
                    ("Spearman with the experts' mean", f"{prefix}_spearman"),
                    ("ICC(2,1)", f"{prefix}_icc"),
                    ("mean error [points]", f"{prefix}_mae_points"),
                )
            ]
    if row["training_source"] == RENDERED:
        lines += _on_real_fields(ON_REAL_FIELDS)
    return "\n".join(lines)


def _on_real_fields(claims: Claims) -> list[str]:
    head = f"area rule on {claims.n_fields} expert-scored breast fields of {claims.n_patients} patients"
    return [
        f"- {head}, {who}: Spearman {rank}, ICC(2,1) {icc}, mean error {error} points"
        for who, rank, icc, error in (
            ("as it is", claims.spearman, claims.icc, claims.mae_points),
            (
                "calibrated without the patient in question",
                *(claims.calibrated_spearman, claims.calibrated_icc, claims.calibrated_mae_points),
            ),
            ("median expert against the others", claims.reader_spearman, claims.reader_icc, claims.reader_mae_points),
        )
    ]


def _rounded(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"
