"""The cohort page: one self-contained HTML file that opens anywhere, with no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.release import figures
from palbo_assets.resistance.tables import MECHANISMS

if TYPE_CHECKING:
    import pandas as pd

# (feature of the integrated pairs, label); units come from the table's declaration.
SLOPES: tuple[tuple[str, str], ...] = (
    ("he__stil_area_pct", "Stromal TILs, H&E"),
    ("ihc__cd8_stroma_mm2", "CD8 in stroma, IHC"),
    ("ihc__cyclin_e1_h_score", "Cyclin E1, IHC"),
    ("rna__ccne1_log2_tpm", "CCNE1, RNA"),
    ("elisa__nrg1_pg_ml", "Neuregulin-1, serum"),
    ("ctdna__max_vaf", "ctDNA, highest VAF"),
)


@dataclass(frozen=True)
class Section:
    """A titled part of the page: a note on how to read it, and a figure or a table."""

    anchor: str
    title: str
    note: str
    chart: Any = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Number:
    """A headline number."""

    value: str
    label: str


@dataclass(frozen=True)
class CohortTables:
    """What the page is made of; each frame holds its table's declared columns."""

    patients: pd.DataFrame
    treatment_response: pd.DataFrame
    sample_manifest: pd.DataFrame
    delivery_ledger: pd.DataFrame
    accrual: pd.DataFrame
    resistance_states: pd.DataFrame
    resistance_transitions: pd.DataFrame
    pairs: pd.DataFrame
    paired_contrasts: pd.DataFrame | None = None
    paired_expression: pd.DataFrame | None = None
    paired_sets: pd.DataFrame | None = None
    units: dict[str, str] = field(default_factory=dict)


def combined_states(states: pd.DataFrame) -> pd.DataFrame:
    """One state a patient, timepoint and mechanism over all sources.

    The state is the one that the integrated table and the transitions rest on (`resistance.states.combine`).
    A mechanism that the definitions don't list any more is never ABSENT. ``sources`` lists what each source said.
    """
    import pandas as pd

    from palbo_assets.resistance.states import StateRow, combine, from_rows

    required = {mechanism.code: mechanism.required for mechanism in MECHANISMS.listed}
    said: dict[tuple[str, str, str], list[StateRow]] = {}
    for patient, row in zip(states["patient_id"], from_rows(states), strict=True):
        said.setdefault((patient, row.timepoint, row.mechanism), []).append(row)
    rows = [
        {
            "patient_id": patient,
            "timepoint": timepoint,
            "mechanism": mechanism,
            "state": str(combine(required.get(mechanism, ()), of).state),
            "sources": ", ".join(sorted(f"{row.source}: {row.state}" for row in of)),
        }
        for (patient, timepoint, mechanism), of in sorted(said.items())
    ]
    return pd.DataFrame(rows, columns=["patient_id", "timepoint", "mechanism", "state", "sources"])


def headline(tables: CohortTables) -> list[Number]:
    """The numbers on top: patients, pairs, what is late or quarantined, events."""
    ledger, response = tables.delivery_ledger, tables.treatment_response
    expected = ledger[ledger["state"] != "NOT_EXPECTED"]
    counts = ledger["state"].value_counts()
    events = response["pfs_event"].dropna()
    return [
        Number(str(len(tables.patients)), "patients"),
        Number(str(n_pairs(tables)), "baseline-progression pairs"),
        Number(f"{int(counts.get('READY', 0))} / {len(expected)}", "assays ready / expected"),
        Number(str(int(counts.get("QUARANTINED", 0) + counts.get("QC_FAIL", 0))), "quarantined or failed QC"),
        Number(str(int(counts.get("OVERDUE", 0))), "overdue"),
        Number(f"{int(events.sum())} / {len(events)}", "progressed or died / followed"),
    ]


def n_pairs(tables: CohortTables) -> int:
    """Patients of whom one assay or another is ready at baseline and at progression, so that it can be compared."""
    ready = tables.delivery_ledger[tables.delivery_ledger["state"] == "READY"]
    ends = ready[ready["timepoint"].isin(["BL", "PD"])].drop_duplicates(["patient_id", "assay", "timepoint"])
    both = ends.groupby(["patient_id", "assay"]).size() == 2
    return both[both].index.get_level_values("patient_id").nunique()


def sections(tables: CohortTables) -> list[Section]:
    """The page's parts in reading order."""
    transitions = tables.resistance_transitions
    at_ends = tables.resistance_states[tables.resistance_states["timepoint"].isin(["BL", "PD"])]
    slopes = [
        (feature, label, tables.units.get(feature, ""))
        for feature, label in SLOPES
        if f"{feature}__bl" in tables.pairs.columns
    ]
    return [
        Section(
            "ledger",
            "Expected against received",
            "One cell a patient, timepoint and assay. Pale cells are not planned by the protocol for that patient's "
            "cohorts; they are not missing. Hover for the reason.",
            figures.ledger_heat_map(tables.delivery_ledger) if len(tables.delivery_ledger) else None,
        ),
        Section(
            "oncoprint",
            "Mechanisms of resistance at baseline and progression",
            "Each cell is split: baseline left, progression right. A hollow cell with a dot can't be evaluated: not "
            "measured, or measured without the power to say. Only filled pale cells say absent. What is a "
            "change in itself has no left half.",
            figures.oncoprint(combined_states(at_ends)) if len(at_ends) else None,
        ),
        Section(
            "transitions",
            "What changed",
            "Acquired needs measured power at baseline; without it a mechanism seen only at progression is "
            "indeterminate. Mechanisms that changed in most patients come first; white is not evaluable.",
            figures.transitions_bar(transitions) if len(transitions) else None,
        ),
        _transition_table(transitions),
        Section(
            "swimmer",
            "Time without progression",
            "Bars run from the first dose to progression, death (cross) or censoring (triangle); ticks are biopsies "
            "and blood draws.",
            figures.swimmer(tables.treatment_response, tables.sample_manifest)
            if tables.treatment_response["pfs_days"].notna().any()
            else None,
        ),
        Section(
            "slopes",
            "Pairs: baseline to progression",
            "One grey line a patient with both values; the thick line joins their medians. Pairs with a value below "
            "the limit of quantification or without quality are left out; each figure counts what it shows.",
            figures.paired_slopes(tables.pairs, slopes) if len(tables.pairs) and slopes else None,
        ),
        *_expression_sections(tables),
        Section(
            "accrual",
            "Accrual against plan",
            "Counts of the clinical export against the numbers of the protocol; shares with their 95 % intervals.",
            columns=("stage", "patients", "planned", "share, %", "from", "to", "of", "planned share, %"),
            rows=_cells(
                tables.accrual.sort_values("position")[
                    ["stage", "n", "planned", "pct", "pct_low", "pct_high", "of_stage", "planned_pct"]
                ].assign(
                    stage=lambda rows: _words(rows["stage"]),
                    of_stage=lambda rows: _words(rows["of_stage"]),
                )
            ),
        ),
    ]


def _expression_sections(tables: CohortTables) -> list[Section]:
    """Genes and sets that change; where no contrast has enough pairs, a table says how many there are."""
    contrasts, genes, sets = tables.paired_contrasts, tables.paired_expression, tables.paired_sets
    if contrasts is None or genes is None or sets is None:
        return []
    contrasts, genes, sets = (
        frame.assign(contrast=frame["contrast"].str.replace("_", " to ")) for frame in (contrasts, genes, sets)
    )
    tested = sets["mean_wald_difference"].notna().any()
    return [
        Section(
            "expression-pairs",
            "Expression against baseline: pairs",
            "A contrast is tested from a least number of pairs that both passed quality; the reason says what lacks.",
            columns=("contrast", "pairs", "left out", "why left out", "reason"),
            rows=_cells(contrasts[["contrast", "n_pairs", "n_left_out", "left_out", "reason"]]),
        ),
        Section(
            "volcano",
            "Genes that change",
            "DESeq2 with each patient as her own control. Only the genes of smallest p are drawn.",
            figures.volcano(genes) if genes["p_value"].notna().any() else None,
        ),
        Section(
            "set-changes",
            "Gene sets that change",
            "Orange rises, blue falls. Hover for q by genes and q by patients: they fail differently.",
            figures.set_heat_map(sets) if tested else None,
        ),
    ]


def _transition_table(transitions: pd.DataFrame) -> Section:
    """Evaluable pairs as denominators, never all patients; those of loci that the cohort itself chose stand apart."""
    rows = []
    told = dict(iter(transitions.groupby("mechanism")))
    for mechanism in figures.most_changed_first(transitions):
        said = told[mechanism]["transition"]
        indeterminate = said.str.endswith("indeterminate")
        evaluable = ~indeterminate & (said != "not_evaluable")
        circular = evaluable & told[mechanism]["chosen_from_cohort"].eq(True).fillna(False).astype(bool)
        judged = said[evaluable & ~circular]
        rows.append(
            (
                str(mechanism),
                int(judged.isin(["acquired", "gained"]).sum()),
                int(judged.str.startswith("preexisting").sum()),
                int((judged == "lost").sum()),
                len(judged),
                int(indeterminate.sum()),
                int((said == "not_evaluable").sum()),
                int(circular.sum()),
            )
        )
    return Section(
        "transition-counts",
        "Counts with denominators",
        "Patients by transition. The denominator of a share is the evaluable column, not the number of patients."
        " Pairs that rest on loci which this cohort's findings put on the plasma panel are counted in the last column"
        " alone: they can't tell how common a mechanism is here.",
        columns=(
            "mechanism", "acquired or gained", "pre-existing", "lost", "evaluable pairs", "indeterminate",
            "not evaluable", "locus chosen from this cohort",
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _words(codes: pd.Series) -> pd.Series:
    """``pair_he_til`` -> ``pair: he til``."""
    return codes.str.replace(r"^pair_", "pair: ", regex=True).str.replace("_", " ")


def _cells(frame: pd.DataFrame) -> tuple[tuple[Any, ...], ...]:
    """Rows of a table for people: one decimal, nothing where a value is missing."""
    plain = frame.round(1).astype(object).where(frame.notna(), "")
    return tuple(tuple(row) for row in plain.itertuples(index=False, name=None))


def render(tables: CohortTables, *, study: str, data_version: str) -> bytes:
    """The page as UTF-8 HTML; the same tables give the same bytes."""
    import jinja2

    parts = sections(tables)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("cohort.html.j2").render(
        title="Cohort",
        subtitle=f"{study}: resistance to palbociclib, what each patient's samples say",
        numbers=headline(tables),
        sections=parts,
        charts={part.anchor: figures.themed(part.chart) for part in parts if part.chart is not None},
        bundle=vega_bundle(),
        data_version=data_version,
    )
    return page.encode("utf-8")


@cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and vegaEmbed as one script, from the installed vl-convert: nothing is fetched."""
    import vl_convert

    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # the stub lacks the default
    return str(bundle).replace("</script", "<\\/script")
