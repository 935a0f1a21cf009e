"""Figures of the cohort page, as Vega-Lite charts from frames.

Every figure says what it does not show: cells that aren't planned, states that can't be evaluated, pairs that are
incomplete. Nothing missing is drawn as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from palbo_assets.release import palette
from palbo_assets.study.vocabulary import TIMEPOINTS

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

MONTH_DAYS = 30.4375  # 365.25 / 12, as in the protocol
_ROW = 17  # px


def _scale(colours: Mapping[str, str]) -> alt.Scale:
    import altair as alt

    return alt.Scale(domain=list(colours), range=list(colours.values()))


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Nullable dtypes as plain ones: missing numbers are NaN, missing text is None."""
    plain = frame.copy()
    for name, dtype in frame.dtypes.items():
        if str(dtype) in ("Float64", "Int64"):
            plain[name] = frame[name].astype("float64")
        else:
            plain[name] = frame[name].astype(object).where(frame[name].notna(), None)
    return plain


def ledger_heat_map(ledger: pd.DataFrame) -> alt.Chart:
    """Patient x (timepoint, assay): what is expected and what became of it.

    ``ledger`` has patient_id, timepoint, assay, state, reason.
    """
    import altair as alt

    states = [state for state in palette.LEDGER if (ledger["state"] == state).any()]
    return (
        alt.Chart(_plain(ledger[["patient_id", "timepoint", "assay", "state", "reason"]]))
        .mark_rect(stroke="#ffffff", strokeWidth=1.5)
        .encode(
            x=alt.X("assay:N", title=None, sort=None, axis=alt.Axis(labelAngle=-45)),
            y=alt.Y("patient_id:N", title=None),
            color=alt.Color(
                "state:N",
                scale=_scale({state: palette.LEDGER[state] for state in states}),
                legend=alt.Legend(orient="top", title=None, columns=6),
            ),
            column=alt.Column("timepoint:N", sort=list(TIMEPOINTS), title=None, spacing=8),
            tooltip=["patient_id:N", "timepoint:N", "assay:N", "state:N", "reason:N"],
        )
        .properties(width=alt.Step(_ROW), height=alt.Step(_ROW))
    )


def oncoprint(states: pd.DataFrame) -> alt.LayerChart:
    """Mechanism x patient, baseline left and progression right in each cell.

    ``states`` has patient_id, timepoint, mechanism, state, sources. A hollow cell can't be evaluated: it doesn't say
    that the mechanism isn't there.
    """
    import altair as alt

    shown = _plain(states[states["timepoint"].isin(["BL", "PD"])])
    present = shown[shown["state"] == "PRESENT"].groupby("mechanism")["patient_id"].nunique()
    order = sorted(set(shown["mechanism"]), key=lambda name: (-int(present.get(name, 0)), name))
    base = alt.Chart(shown).encode(
        x=alt.X("patient_id:N", title=None, axis=alt.Axis(labelAngle=-90)),
        xOffset=alt.XOffset("timepoint:N", sort=["BL", "PD"]),
        y=alt.Y("mechanism:N", sort=order, title=None),
        tooltip=["patient_id:N", "mechanism:N", "timepoint:N", "state:N", "sources:N"],
    )
    cells = base.mark_rect(stroke="#c6ced8", strokeWidth=0.6).encode(
        color=alt.Color(
            "state:N", scale=_scale(palette.STATE), legend=alt.Legend(orient="top", title=None, symbolStrokeWidth=1)
        )
    )
    dots = base.transform_filter("datum.state == 'NOT_EVALUABLE'").mark_point(
        size=5, filled=True, color="#b8c2cc", opacity=1
    )
    return (cells + dots).properties(width=alt.Step(15), height=alt.Step(_ROW + 3))


def swimmer(response: pd.DataFrame, biopsies: pd.DataFrame) -> alt.LayerChart:
    """Time on treatment without progression, with the response, the event and the biopsies.

    ``response`` has patient_id, pfs_days, pfs_event, best_overall_response, resistance_class; ``biopsies`` has
    patient_id, timepoint, collected_day.
    """
    import altair as alt

    # A page carries what it shows and no other column.
    columns = ["patient_id", "pfs_days", "pfs_event", "best_overall_response", "resistance_class"]
    bars = _plain(response[columns].dropna(subset=["pfs_days"]))
    bars["months"] = bars["pfs_days"] / MONTH_DAYS
    bars["end"] = bars["pfs_event"].map({True: "progression or death", False: "censored"})
    # A scale gives a value that it doesn't know the colour of the first one that it knows.
    bars["best_overall_response"] = bars["best_overall_response"].fillna(palette.NOT_STATED)
    order = bars.sort_values(["pfs_days", "patient_id"], ascending=[False, True])["patient_id"].tolist()
    taken = biopsies.loc[biopsies["patient_id"].isin(order), ["patient_id", "timepoint", "collected_day"]]
    marks = _plain(taken.dropna(subset=["collected_day"])).drop_duplicates()
    marks["months"] = marks["collected_day"] / MONTH_DAYS
    y = alt.Y("patient_id:N", sort=order, title=None)
    lanes = (
        alt.Chart(bars)
        .mark_bar(height=9, cornerRadius=2, stroke="#c6ced8", strokeWidth=0.6)
        .encode(
            x=alt.X("months:Q", title="months from first dose"),
            y=y,
            color=alt.Color(
                "best_overall_response:N",
                title="best response",
                scale=_scale(
                    {key: value for key, value in palette.RESPONSE.items() if key in set(bars["best_overall_response"])}
                ),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["patient_id:N", "best_overall_response:N", "pfs_days:N", "end:N", "resistance_class:N"],
        )
    )
    ended = bars[bars["end"].notna()]
    ends = (
        alt.Chart(ended)
        .mark_point(size=65, strokeWidth=2, color=palette.INK, opacity=1)
        .encode(
            x="months:Q",
            y=y,
            shape=alt.Shape(
                "end:N",
                title="end",
                scale=alt.Scale(domain=["progression or death", "censored"], range=["cross", "triangle-right"]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["patient_id:N", "pfs_days:N", "end:N"],
        )
    )
    biopsy = (
        alt.Chart(marks)
        .mark_tick(thickness=2, size=13, color=palette.INK)
        .encode(x="months:Q", y=y, tooltip=["patient_id:N", "timepoint:N", "collected_day:N"])
    )
    layers = [lanes, *([biopsy] if len(marks) else []), *([ends] if len(ended) else [])]
    return alt.LayerChart(layer=layers).properties(width=620, height=alt.Step(_ROW))


def paired_slopes(pairs: pd.DataFrame, features: Sequence[tuple[str, str, str]]) -> alt.HConcatChart:
    """Baseline to progression, one line a patient, for each (feature, label, unit); the title counts the pairs.

    ``pairs`` has patient_id and ``<feature>__bl``, ``<feature>__pd``. Patients without both values have no line and
    are counted beside.
    """
    import altair as alt
    import pandas as pd

    charts: list[Any] = []
    for feature, label, unit in features:
        both = _plain(pairs[["patient_id", f"{feature}__bl", f"{feature}__pd"]]).dropna()
        rows = pd.concat(
            [
                pd.DataFrame({"patient_id": both["patient_id"], "timepoint": timepoint, "value": both[column]})
                for timepoint, column in (("BL", f"{feature}__bl"), ("PD", f"{feature}__pd"))
            ]
        )
        median = (
            rows.groupby("timepoint", as_index=False)["value"].median() if len(both) else rows[["timepoint", "value"]]
        )
        encoding: dict[str, Any] = {
            "x": alt.X("timepoint:N", sort=["BL", "PD"], title=None, axis=alt.Axis(labelAngle=0)),
            "y": alt.Y("value:Q", title=None if unit in ("", "1") else unit, scale=alt.Scale(zero=False, nice=True))
            if len(both)
            else alt.Y("value:Q", axis=None, scale=alt.Scale(domain=[0, 1])),  # no pair, so no numbers on the axis
        }
        lines = (
            alt.Chart(rows)
            .mark_line(
                point=alt.OverlayMarkDef(size=26, color=palette.LINE), color=palette.LINE, opacity=0.8, strokeWidth=1.2
            )
            .encode(
                detail="patient_id:N",
                tooltip=["patient_id:N", "timepoint:N", alt.Tooltip("value:Q", format=".4~g")],
                **encoding,
            )
        )
        middle = alt.Chart(median).mark_line(color=palette.STATE["PRESENT"], strokeWidth=3).encode(**encoding)
        title = alt.TitleParams(
            label, subtitle=f"{len(both)} pairs of {len(pairs)} patients", fontSize=12, anchor="start"
        )
        charts.append((lines + middle).properties(width=110, height=190, title=title))
    return alt.hconcat(*charts, spacing=26)


def most_changed_first(transitions: pd.DataFrame) -> list[str]:
    """Mechanisms by the patients in whom something came or went, then by those in whom it is, then who was judged."""

    def of(*names: str) -> pd.Series:
        return transitions["transition"].isin(names).groupby(transitions["mechanism"]).sum()

    changed = of("acquired", "gained", "lost", "preexisting_expanded", "preexisting_subclonal_expanded")
    there = of("preexisting", "pd_only_indeterminate", "bl_only_indeterminate")
    unjudged = of("not_evaluable")
    return sorted(changed.index, key=lambda name: (-changed[name], -there[name], unjudged[name], name))


def transitions_bar(transitions: pd.DataFrame) -> alt.Chart:
    """What became of each mechanism between baseline and progression; patients that can't be judged included."""
    import altair as alt

    counted = transitions.groupby(["mechanism", "transition"], as_index=False).size()
    shown = [name for name in palette.TRANSITION if (counted["transition"] == name).any()]
    counted["rank"] = counted["transition"].map({name: rank for rank, name in enumerate(shown)})
    return (
        alt.Chart(_plain(counted))
        .mark_bar(stroke="#c6ced8", strokeWidth=0.6)
        .encode(
            x=alt.X("size:Q", title="patients", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("mechanism:N", title=None, sort=most_changed_first(transitions)),
            color=alt.Color(
                "transition:N",
                scale=_scale({name: palette.TRANSITION[name] for name in shown}),
                legend=alt.Legend(orient="top", title=None, columns=4),
            ),
            order=alt.Order("rank:Q"),
            tooltip=["mechanism:N", "transition:N", alt.Tooltip("size:Q", title="patients")],
        )
        .properties(width=560, height=alt.Step(_ROW + 3))
    )


def volcano(genes: pd.DataFrame, shown: int = 2000) -> alt.Chart:
    """Change of each gene against its p value, one panel a contrast; the ``shown`` genes of smallest p and no other.

    ``genes`` has contrast, gene_id, gene_symbol, n_pairs, log2_fold_change, p_value, q_value, significant.
    """
    import altair as alt
    import numpy as np

    columns = ["contrast", "gene_symbol", "n_pairs", "log2_fold_change", "p_value", "q_value", "significant"]
    tested = genes.dropna(subset=["p_value"]).sort_values(["contrast", "p_value", "gene_id"])
    rows = _plain(tested.groupby("contrast").head(shown)[columns])
    rows["minus_log10_p"] = -np.log10(rows["p_value"].astype(float).clip(lower=1e-300))
    rows["change"] = rows["significant"].map({True: "significant", False: "not significant"})
    return (
        alt.Chart(rows.drop(columns="significant"))
        .mark_circle(size=22, opacity=0.8)
        .encode(
            x=alt.X("log2_fold_change:Q", title="log2 fold change from baseline"),
            y=alt.Y("minus_log10_p:Q", title="-log10 p"),
            color=alt.Color(
                "change:N",
                scale=_scale({"significant": palette.STATE["PRESENT"], "not significant": palette.LINE}),
                legend=alt.Legend(orient="top", title=None),
            ),
            column=alt.Column("contrast:N", title=None),
            tooltip=["gene_symbol:N", "log2_fold_change:Q", "p_value:Q", "q_value:Q", "n_pairs:Q"],
        )
        .properties(width=280, height=240)
    )


def set_heat_map(sets: pd.DataFrame) -> alt.Chart:
    """Gene sets x contrasts, coloured by the mean Wald statistic of the set against all other genes.

    ``sets`` has contrast, signature, mean_wald_difference, q_value, paired_q_value, status; sets that couldn't be
    tested are left out, not drawn as zero.
    """
    import altair as alt

    columns = ["contrast", "signature", "mean_wald_difference", "q_value", "paired_q_value"]
    rows = _plain(sets.loc[sets["status"] == "OBSERVED", columns])
    limit = float(rows["mean_wald_difference"].astype(float).abs().max())
    return (
        alt.Chart(rows)
        .mark_rect(stroke="#ffffff", strokeWidth=1)
        .encode(
            x=alt.X("contrast:N", title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("signature:N", title=None, axis=alt.Axis(labelLimit=320)),
            color=alt.Color(
                "mean_wald_difference:Q",
                title="mean Wald difference",
                scale=alt.Scale(scheme="blueorange", domain=[-limit, limit]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["signature:N", "contrast:N", "mean_wald_difference:Q", "q_value:Q", "paired_q_value:Q"],
        )
        .properties(width=alt.Step(80), height=alt.Step(_ROW))
    )


def themed(chart: Any) -> dict[str, Any]:
    """The chart's Vega-Lite specification in the page's typography."""
    specification: dict[str, Any] = (
        chart.configure_view(stroke=None)
        .configure_axis(
            labelColor=palette.INK, titleColor=palette.MUTED, domainColor="#c6ced8", tickColor="#c6ced8", grid=False,
            labelFontSize=11, titleFontSize=11, titleFontWeight="normal",
        )
        .configure_header(labelFontWeight="bold", labelColor=palette.INK)
        .configure_legend(labelColor=palette.INK, labelFontSize=11, symbolStrokeColor="#c6ced8")
        .configure(font="system-ui, sans-serif", background="transparent")
        .to_dict()
    )  # fmt: skip
    return specification
