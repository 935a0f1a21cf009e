"""The typed tables of the flow cytometry."""

from __future__ import annotations

from palbo_assets.platform.tables import PATIENT_ID, SPECIMEN_ID, TIMEPOINT, Table, boolean, integer, real, text
from palbo_assets.study.vocabulary import STATUSES, TIMEPOINTS, Qc

ORIGINS = ("fmo", "valley", "tail", "fixed")
_ORIGIN = (
    "fmo (percentile of the tube without the fluorochrome), valley (lowest density between two peaks), tail (end of "
    "the main peak's flank) or fixed (the strategy's); null where the tube lacks the channel"
)

BLOOD_COUNTS = Table(
    name="blood_counts",
    description="Complete blood counts that belong to the cytometry draws",
    grain="patient x timepoint x day",
    columns=(
        text("cbc_id", "Export that the count comes from", nullable=False, key=True),
        PATIENT_ID,
        TIMEPOINT,
        integer("days_from_draw", "Day of the count after the cytometry draw, negative before", unit="d", key=True),
        real("wbc_per_ul", "Leukocytes", unit="cells/uL", minimum=0),
        real("alc_per_ul", "Lymphocytes", unit="cells/uL", minimum=0),
        real("anc_per_ul", "Neutrophils; null where the export doesn't state them", unit="cells/uL", minimum=0),
        real("dnlr", "Derived ratio of neutrophils to lymphocytes, ANC / (WBC - ANC)", unit="1", minimum=0),
        real("beads_per_tube", "Counting beads of the cytometry tube; null without", unit="{beads}", minimum=0),
        real("blood_ul", "Blood that was stained in the tube with beads", unit="uL", minimum=0),
    ),
)

FACS_QC = Table(
    name="facs_qc",
    description="Quality of each acquisition",
    grain="specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        integer("events", "Acquired events", unit="events", nullable=False, minimum=0),
        real("viability_pct", "Live of single cells; null without a viability dye", unit="%", minimum=0, maximum=100),
        integer("leukocytes", "Live single CD45+ events; null where they can't be gated", unit="events", minimum=0),
        real(
            "margin_pct",
            "Events at the top of the scale, in the channel where they are most",
            unit="%",
            nullable=False,
            minimum=0,
            maximum=100,
        ),
        real(
            "drift_pct", "Largest deviation of a tenth's median from the whole; null without time", unit="%", minimum=0
        ),
        text(
            "compensation",
            "Where it comes from: the file's matrix, a delivered one, done before the export (already), none, or the "
            "single stains (single_stains) of a tube whose file carries none",
            allowed=("file", "delivered", "single_stains", "already", "none"),
        ),
        text("margin_channels", "Detectors with more such events than the limit, with their percentage"),
        real("events_per_second", "Median flow; null where the file doesn't say its time step", unit="1/s", minimum=0),
        real("flow_rate_cv_pct", "Robust spread of the flow over stretches of 500 events", unit="%", minimum=0),
        real(
            "unusual_flow_pct",
            "Time in gaps, clogs and bursts; null without a clock or below 10,000 events",
            unit="%",
            minimum=0,
            maximum=100,
        ),
        text("flow_intervals", "Gaps, clogs and bursts with their times on the file's clock; their events are kept"),
        real(
            "residual_spill_pct",
            "What the brightest mismatched pair of markers shows in one another after compensation; null without it",
            unit="%",
            minimum=0,
        ),
        text("residual_spill_pair", "That pair: marker that spills > marker whose channel sees it"),
        boolean("compensated", "Whether a spill matrix of the file was applied", nullable=False),
        text(
            "preparation",
            "What was stained, as the manifest's sample_name says: whole_blood (where it says nothing) or pbmc",
            allowed=("whole_blood", "pbmc"),
        ),
        text("instrument", "Digest of the cytometer's model and serial number; null where the file states neither"),
        text("bead_lot", "Digest of the lot of calibration beads; null where the file doesn't state it"),
        text("panel_lot", "Version or lot of the antibody panel as the manifest's panel_version says; null without"),
        text("voltages", "Voltages of the fluorescence detectors as detector:V, ';' between; null where not stated"),
        text("controls", "Control tubes that came with it, ';' between them; null without"),
        text("verdict", "pass, warn or fail", nullable=False, allowed=tuple(Qc)),
        text("reasons", "What made the verdict, ';' between the names"),
    ),
)

FACS_DENSITIES = Table(
    name="facs_densities",
    description="Density of the events that each bound is placed on, and the bound that the sample gives by itself",
    grain="cut x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("cut", "Bound as the gating strategy names it", nullable=False, key=True),
        text("marker", "Marker that it cuts; null where the tube shows none of those that would do"),
        text("origin", _ORIGIN, allowed=ORIGINS),
        real("bound_scale", "Bound on the transformed scale (logicle; scatter linear), 1 is its top", unit="1"),
        real(
            "depth",
            "Of a valley: 1 - its density over that of the lower peak beside it; null otherwise",
            unit="1",
            minimum=0,
            maximum=1,
        ),
        real("floor_scale", "What unstained cells reach, on the transformed scale; null without the tube", unit="1"),
        integer("events", "Events that it was placed on", unit="events", minimum=0),
        integer("first_bin", "First thousandth of the scale, from -0.4 upwards, with events", unit="1"),
        text("density", "Events in each thousandth of the scale from first_bin on, blank between them"),
        text("passed_over", "Ways that gave no bound and why, ';' between them"),
        text(
            "batch",
            "Digest of what it was acquired with: cytometer, voltages, lots, panel, preparation and gating; null where "
            "the file doesn't say its cytometer and voltages",
        ),
        text("gating_version", "Version and digest of the gating strategy", nullable=False),
    ),
)

FACS_BATCH_BOUNDS = Table(
    name="facs_batch_bounds",
    description="Bounds placed on the events of all specimens that were acquired alike",
    grain="cut x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("cut", "Bound as the gating strategy names it", nullable=False, key=True),
        text("batch", "Batch of the specimen, as facs_densities states it", nullable=False),
        integer("specimens", "Specimens whose events or tubes were pooled", unit="1", nullable=False, minimum=1),
        text(
            "origin",
            "fmo (median of the bounds that control tubes of the batch give), or valley or tail of the pooled density",
            nullable=False,
            allowed=("fmo", "valley", "tail"),
        ),
        real("bound_scale", "Bound on the transformed scale", unit="1", nullable=False),
        real("depth", "Of a valley: 1 - its density over that of the lower peak beside it", unit="1", minimum=0),
        integer("events", "Events that were pooled", unit="events", nullable=False, minimum=0),
    ),
)

FACS_GATES = Table(
    name="facs_gates",
    description="Where the bounds between negative and positive lie in each sample, and where they come from",
    grain="cut x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("cut", "Bound as the gating strategy names it", nullable=False, key=True),
        text("marker", "Marker that it cuts; null where the tube shows none of those that would do"),
        text("within", "Population whose events it was placed on", nullable=False),
        text("origin", _ORIGIN, allowed=ORIGINS),
        text(
            "source",
            "What the bound was placed on: batch (all specimens acquired alike), sample (this one, or its control "
            "tube) or strategy (fixed); null where the tube lacks the channel",
            allowed=("batch", "sample", "strategy"),
        ),
        text("batch", "Batch of the specimen, as facs_densities states it; null where it isn't known"),
        integer("specimens", "Specimens that the bound was placed on; null for a fixed one", unit="1", minimum=1),
        real("bound_linear", "Bound on the compensated linear scale", unit="{channel}"),
        real("bound_scale", "Bound on the transformed scale (logicle; scatter linear), 1 is its top", unit="1"),
        real(
            "depth",
            "Of a valley: 1 - its density over that of the lower peak beside it; null otherwise",
            unit="1",
            minimum=0,
            maximum=1,
        ),
        integer("events", "Events that it was placed on", unit="events", minimum=0),
        text("passed_over", "Ways that gave no bound and why, ';' between them"),
        text("gating_version", "Version and digest of the gating strategy", nullable=False),
    ),
)

FACS_ABUNDANCES = Table(
    name="facs_abundances",
    description="Immune sub-populations: share of the parent, of the leukocytes, and absolute count",
    grain="population x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("population", "Population as the gating names it", nullable=False, key=True),
        text("parent", "Population within which it was gated; root is all events", nullable=False),
        integer("count", "Events of the population; null where the panel can't show it", unit="events", minimum=0),
        integer("parent_count", "Events of the parent", unit="events", minimum=0),
        real("pct_parent", "Share of the parent; null below 20 events, never 0", unit="%", minimum=0, maximum=100),
        real("pct_cd45", "Share of live single CD45+ events; null outside them", unit="%", minimum=0, maximum=100),
        real("count_cv_pct", "Poisson error of the count", unit="%", minimum=0),
        real(
            "abs_per_ul",
            "Cells per microlitre of blood: by the tube's beads, else the ratio to the tube's lymphocytes times "
            "the lymphocytes of the blood count",
            unit="cells/uL",
            minimum=0,
        ),
        text(
            "abs_method",
            "single (beads in the tube) or dual platform (blood count); null without an absolute count",
            allowed=("single", "dual"),
        ),
        integer("cbc_days", "Day of the nearest blood count after the draw, negative before; null without", unit="d"),
        real("mfi_cd25", "Median compensated CD25 intensity", unit="{channel}"),
        real("mfi_cd127", "Median compensated CD127 intensity", unit="{channel}"),
        real("mfi_pd1", "Median compensated PD-1 intensity", unit="{channel}"),
        real("mfi_foxp3", "Median compensated FOXP3 intensity", unit="{channel}"),
        real("mfi_hladr", "Median compensated HLA-DR intensity", unit="{channel}"),
        real("mfi_cd38", "Median compensated CD38 intensity", unit="{channel}"),
        text(
            "gating", "populations, gatingml or flowjo", nullable=False, allowed=("populations", "gatingml", "flowjo")
        ),
        text("gating_version", "Version and digest of the gating that was applied"),
        text(
            "bound_origins",
            "Where the bounds of the population's own gate come from, as cut:origin, ';' between them; batch- stands "
            "before the origin of a pooled one",
        ),
        text("status", "OBSERVED, or why there is no percentage", nullable=False, allowed=STATUSES),
        text("reason", "Named cause of a missing percentage"),
        text("abs_status", "OBSERVED, or why there is no absolute count", nullable=False, allowed=STATUSES),
        text("abs_reason", "Named cause of a missing absolute count"),
    ),
)

FACS_RATIOS = Table(
    name="facs_ratios",
    description="Ratios of two populations of one tube, such as CD4 to CD8",
    grain="ratio x specimen",
    columns=(
        PATIENT_ID,
        TIMEPOINT,
        SPECIMEN_ID,
        text("ratio", "Ratio as the gating names it, such as CD4_CD8", nullable=False, key=True),
        text("numerator", "Population above", nullable=False),
        text("denominator", "Population below", nullable=False),
        real("value", "Events of the one over events of the other; null unless OBSERVED", unit="1", minimum=0),
        real("cv_pct", "Poisson error of the ratio", unit="%", minimum=0),
        text("status", "OBSERVED, or why there is no ratio", nullable=False, allowed=STATUSES),
        text("reason", "Named cause of a missing ratio, with the population that it lies in"),
    ),
)

FACS_CHANGES = Table(
    name="facs_changes",
    description="Change of every abundance, ratio and intensity between two visits of a patient",
    grain="what x measure x pair of visits",
    columns=(
        PATIENT_ID,
        text("what", "Population, or ratio of two", nullable=False, key=True),
        text(
            "measure",
            "Column of facs_abundances (pct_parent, pct_cd45, abs_per_ul, mfi_*), or ratio",
            nullable=False,
            key=True,
        ),
        text("earlier", "Earlier visit", nullable=False, key=True, allowed=TIMEPOINTS),
        text("later", "Later visit", nullable=False, key=True, allowed=TIMEPOINTS),
        text("unit", "Unit of the values", nullable=False),
        real("earlier_value", "Value at the earlier visit, in `unit`", unit="see unit"),
        real("later_value", "Value at the later visit, in `unit`", unit="see unit"),
        real("difference", "Later less earlier value, in `unit`; null unless OBSERVED", unit="see unit"),
        real("log2_ratio", "log2 of later over earlier value; null unless OBSERVED and both above 0", unit="1"),
        real(
            "log2_se",
            "Its standard error by the counted events alone (Poisson); null for intensities",
            unit="1",
            minimum=0,
        ),
        integer("earlier_cycle_day", "Day of the 28-day cycle at the earlier visit, 1 to 28; null before", unit="d"),
        integer("later_cycle_day", "Day of the 28-day cycle at the later visit, 1 to 28; null before", unit="d"),
        text(
            "flags",
            "What differs between the two visits, ';' between: instrument, voltages, bead_lot, panel_lot, preparation, "
            "compensation, gating, cycle_day; for absolute counts abs_method too",
        ),
        text("status", "OBSERVED, or why the two can't be compared", nullable=False, allowed=STATUSES),
        text("reason", "Named cause of a missing change"),
    ),
)

TABLES = (
    BLOOD_COUNTS,
    FACS_DENSITIES,
    FACS_BATCH_BOUNDS,
    FACS_GATES,
    FACS_QC,
    FACS_ABUNDANCES,
    FACS_RATIOS,
    FACS_CHANGES,
)
