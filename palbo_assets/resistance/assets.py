"""The room's products, in the order in which data flows: facts, states, transitions, wide tables, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from palbo_assets.clinical.tables import DELIVERY_LEDGER, PATIENTS, SAMPLE_MANIFEST, TREATMENT_RESPONSE
from palbo_assets.ctdna.tables import (
    CTDNA_CALLS,
    CTDNA_FITNESS,
    CTDNA_PANELS,
    CTDNA_QC,
    PATIENT_GENOTYPES,
)
from palbo_assets.genomics.plasma_fitness import alleles_of, tissue_variants, with_fitness, without_alleles_of_others
from palbo_assets.histology.tables import CYCLIN_E_PAIRS
from palbo_assets.platform.product import SPECS, Step, product
from palbo_assets.platform.tables import frame_from_rows
from palbo_assets.resistance.fact_assets import acquired_alterations, cohort_facts, facts, patient_facts
from palbo_assets.resistance.pair_identity import pair_is_blocked, with_failures
from palbo_assets.resistance.settings import ExtensionSettings, Section, Settings
from palbo_assets.resistance.tables import (
    ACQUIRED_ALTERATIONS,
    CATALOGUE,
    CLINICAL_COLUMNS,
    CLINICAL_OF_PATIENTS,
    CLINICAL_OF_RESPONSE,
    COHORT_FACTS,
    CTDNA_PANEL_EXTENSION,
    DATA_DICTIONARY,
    FACTS,
    INTEGRATED_RESISTANCE_PAIRS,
    INTEGRATED_RESISTANCE_TABLE,
    MECHANISMS,
    PATIENT_FACTS,
    RESISTANCE_STATES,
    RESISTANCE_STATISTICS,
    RESISTANCE_TRANSITIONS,
)
from palbo_assets.serum.tables import NRG1_ELISA
from palbo_assets.study.partitions import COHORT, PATIENT
from palbo_assets.study.vocabulary import Transition
from palbo_assets.wes.tables import (
    GENE_COPY_NUMBER,
    IDENTITY_FAILURES,
    READ_QC,
    SAMPLE_IDENTITY,
    SOMATIC_CALLS,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["acquired_alterations", "cohort_facts", "facts", "patient_facts"]
GROUP = "resistance"
# The catalogue and the definitions are part of the method: a changed line makes everything that follows from it due.
_STATES_VERSION = f"5+{MECHANISMS.digest}"
_WIDE_VERSION = f"2+{CATALOGUE.digest}+{MECHANISMS.digest}"

_OF_PATIENTS = CLINICAL_COLUMNS[: len(CLINICAL_OF_PATIENTS)]
_OF_RESPONSE = CLINICAL_COLUMNS[-len(CLINICAL_OF_RESPONSE) :]


@product(
    RESISTANCE_STATES,
    PATIENT,
    upstream=(
        FACTS,
        SOMATIC_CALLS,
        GENE_COPY_NUMBER,
        READ_QC,
        SAMPLE_IDENTITY,
        IDENTITY_FAILURES,
        CTDNA_CALLS,
        CTDNA_QC,
        CTDNA_FITNESS,
        PATIENT_GENOTYPES,
        NRG1_ELISA,
        CYCLIN_E_PAIRS,
    ),
    settings=Settings,
    code_version=_STATES_VERSION,
    group=GROUP,
    kinds={"scipy", "sql"},
)
def resistance_states(step: Step, **tables: pd.DataFrame) -> pd.DataFrame:
    """Each mechanism of resistance by timepoint and source: PRESENT, ABSENT with measured power, or why neither."""
    from palbo_assets.resistance.paired_states import unpaired_features
    from palbo_assets.resistance.states import as_rows, patient_states

    unpaired = unpaired_features(CATALOGUE, {CYCLIN_E_PAIRS.name: tables.pop(CYCLIN_E_PAIRS.name)})
    failures, fitness = tables.pop("identity_failures"), tables.pop("ctdna_fitness")
    tables["ctdna_qc"] = with_fitness(tables["ctdna_qc"], fitness)
    tables["ctdna_calls"] = without_alleles_of_others(
        tables["ctdna_calls"], fitness, alleles_of(tissue_variants(tables["somatic_calls"]))
    )
    of_tumours = failures[failures["source"] == "tumour"]
    tables["sample_identity"] = with_failures(tables["sample_identity"], of_tumours)
    foreign = frozenset(failures.loc[failures["source"] == "plasma", "specimen_id"])
    found = patient_states(MECHANISMS, settings=step.settings, foreign_plasma=foreign, unpaired=unpaired, **tables)
    rows = as_rows(step.patient_id, found)
    states = [row["state"] for row in rows]
    step.report(**{state.lower(): states.count(state) for state in sorted(set(states))})
    return frame_from_rows(RESISTANCE_STATES, rows)


@product(
    RESISTANCE_TRANSITIONS,
    PATIENT,
    upstream=(RESISTANCE_STATES, SAMPLE_IDENTITY, IDENTITY_FAILURES),
    settings=Settings,
    code_version=_STATES_VERSION,
    group=GROUP,
    kinds={"pandas", "sql"},
)
def resistance_transitions(
    step: Step, resistance_states: pd.DataFrame, sample_identity: pd.DataFrame, identity_failures: pd.DataFrame
) -> pd.DataFrame:
    """What became of each mechanism between baseline and progression; acquired and lost rest on measured power."""
    from dataclasses import asdict

    from palbo_assets.resistance.states import from_rows
    from palbo_assets.resistance.transitions import patient_transitions

    found = patient_transitions(
        MECHANISMS,
        from_rows(resistance_states),
        identity_blocked=pair_is_blocked(sample_identity, identity_failures),
        settings=step.settings,
    )
    transitions = [str(row.transition) for row in found]
    step.report(**{name: transitions.count(name) for name in sorted(set(transitions))})
    return frame_from_rows(RESISTANCE_TRANSITIONS, [{"patient_id": step.patient_id, **asdict(row)} for row in found])


@product(
    INTEGRATED_RESISTANCE_TABLE,
    COHORT,
    upstream=(
        PATIENTS,
        TREATMENT_RESPONSE,
        SAMPLE_MANIFEST,
        DELIVERY_LEDGER,
        FACTS,
        PATIENT_FACTS,
        COHORT_FACTS,
        RESISTANCE_STATES,
    ),
    code_version=_WIDE_VERSION,
    group=GROUP,
    kinds={"pandas", "sql"},
)
def integrated_resistance_table(
    step: Step,
    patients: pd.DataFrame,
    treatment_response: pd.DataFrame,
    sample_manifest: pd.DataFrame,
    delivery_ledger: pd.DataFrame,
    facts: pd.DataFrame,
    patient_facts: pd.DataFrame,
    cohort_facts: pd.DataFrame,
    resistance_states: pd.DataFrame,
) -> pd.DataFrame:
    """All modalities side by side, every enrolled patient at every timepoint; each null says why it is null."""
    import pandas as pd

    from palbo_assets.resistance.absence import ledger_reasons, planned_reasons
    from palbo_assets.resistance.integrated import wide_rows
    from palbo_assets.study.protocol import load_protocol

    reasons = planned_reasons(patients, sample_manifest, load_protocol()) | ledger_reasons(delivery_ledger)
    rows = wide_rows(
        CATALOGUE,
        MECHANISMS,
        patients=patients,
        treatment_response=treatment_response,
        sample_manifest=sample_manifest,
        facts=pd.concat([facts, patient_facts, cohort_facts], ignore_index=True),
        resistance_states=resistance_states,
        reasons=reasons,
        of_patients=_OF_PATIENTS,
        of_response=_OF_RESPONSE,
    )
    unenrolled = set(facts["patient_id"]) - set(patients["patient_id"])
    step.report(rows=len(rows), patients=len(patients), patients_with_data_but_not_enrolled=len(unenrolled))
    return frame_from_rows(INTEGRATED_RESISTANCE_TABLE, rows)


@product(
    INTEGRATED_RESISTANCE_PAIRS,
    PATIENT,
    upstream=(
        PATIENTS,
        TREATMENT_RESPONSE,
        SAMPLE_MANIFEST,
        FACTS,
        PATIENT_FACTS,
        SAMPLE_IDENTITY,
        IDENTITY_FAILURES,
        RESISTANCE_TRANSITIONS,
        CYCLIN_E_PAIRS,
    ),
    code_version=_WIDE_VERSION,
    group=GROUP,
    kinds={"pandas", "sql"},
)
def integrated_resistance_pairs(
    step: Step,
    patients: pd.DataFrame,
    treatment_response: pd.DataFrame,
    sample_manifest: pd.DataFrame,
    facts: pd.DataFrame,
    patient_facts: pd.DataFrame,
    sample_identity: pd.DataFrame,
    identity_failures: pd.DataFrame,
    resistance_transitions: pd.DataFrame,
    cyclin_e_pairs: pd.DataFrame,
) -> pd.DataFrame:
    """The patient's baseline beside progression: values, changes, and whether each pair may be used.

    Reasons of what is missing follow from the protocol, the clinical export and the manifest, not from the ledger of
    deliveries: another patient's file must not make this partition due. A patient of no clinical export has no row.
    """
    import pandas as pd

    from palbo_assets.platform.tables import records
    from palbo_assets.resistance.absence import planned_reasons
    from palbo_assets.resistance.integrated import pair_row
    from palbo_assets.resistance.paired_states import unpaired_features
    from palbo_assets.study.protocol import load_protocol

    enrolled, responses = records(patients), records(treatment_response)
    rows: list[dict[str, Any]] = []
    if enrolled:
        rows.append(
            pair_row(
                CATALOGUE,
                MECHANISMS,
                patient=enrolled[0],
                response=responses[0] if responses else None,
                facts=pd.concat([facts, patient_facts], ignore_index=True),
                resistance_transitions=resistance_transitions,
                identity_blocked=pair_is_blocked(sample_identity, identity_failures),
                reasons=planned_reasons(patients, sample_manifest, load_protocol()),
                of_patients=_OF_PATIENTS,
                of_response=_OF_RESPONSE,
                unpaired=unpaired_features(CATALOGUE, {CYCLIN_E_PAIRS.name: cyclin_e_pairs}),
            )
        )
        step.report(n_pairs=rows[0]["n_pairs"], primary_mechanism=rows[0]["primary_mechanism"])
    return frame_from_rows(INTEGRATED_RESISTANCE_PAIRS, rows)


@product(
    RESISTANCE_STATISTICS,
    COHORT,
    upstream=(INTEGRATED_RESISTANCE_PAIRS, RESISTANCE_TRANSITIONS),
    settings=Settings,
    code_version=_WIDE_VERSION,
    group=GROUP,
    kinds={"scipy", "sql"},
)
def resistance_statistics(
    step: Step, integrated_resistance_pairs: pd.DataFrame, resistance_transitions: pd.DataFrame
) -> pd.DataFrame:
    """Exact paired tests over the cohort with denominators: McNemar for mechanisms, signed ranks for features."""
    from palbo_assets.resistance.statistics import cohort_statistics

    rows = cohort_statistics(CATALOGUE, MECHANISMS, integrated_resistance_pairs, resistance_transitions, step.settings)
    testable = [row for row in rows if row["p_value"] is not None]
    acquired = int((resistance_transitions["transition"] == Transition.ACQUIRED).sum())
    step.report(tests=len(testable), not_testable=len(rows) - len(testable), acquired_mechanisms=acquired)
    return frame_from_rows(RESISTANCE_STATISTICS, rows)


@product(
    CTDNA_PANEL_EXTENSION,
    COHORT,
    upstream=(CTDNA_PANELS, ACQUIRED_ALTERATIONS),
    references=("genome_fasta", "mappability_bed", "blacklist_bed"),
    settings=ExtensionSettings,
    code_version="4",
    group=GROUP,
    kinds={"pandas", "sql"},
)
def ctdna_panel_extension(step: Step, ctdna_panels: pd.DataFrame, acquired_alterations: pd.DataFrame) -> pd.DataFrame:
    """Targets to add to the newest panel: alterations acquired in this cohort that it doesn't cover.

    Plasmas that were run on an older panel say nothing about them, and the extended panel can't be evaluated on the
    same patients without saying so.
    """
    from dataclasses import asdict

    from palbo_assets.resistance.panel_extension import (
        genome_bases,
        mappable_positions,
        newest_panel,
        propose_targets,
    )

    panel = newest_panel(ctdna_panels)
    if panel is None:
        step.report(targets=0, panels=0)
        return frame_from_rows(CTDNA_PANEL_EXTENSION, [])
    acquired = acquired_alterations[acquired_alterations["verdict"] == Transition.ACQUIRED]
    candidates = acquired[acquired["protein_changing"].astype(bool)]
    with genome_bases(step.references.get("genome_fasta")) as reference:
        masks = mappable_positions(step.references.get("mappability_bed"), step.references.get("blacklist_bed"))
        targets = propose_targets(candidates, panel, step.settings, reference, masks)
    added = sum(target.size_delta_bp for target in targets)
    step.report(acquired=len(acquired), targets=len(targets), added_bp=added, panel_bp=panel.size)
    return frame_from_rows(CTDNA_PANEL_EXTENSION, [asdict(target) for target in targets])


def _declared_contracts() -> str:
    from palbo_assets.resistance.data_dictionary import contract_hash

    return contract_hash((spec.table for spec in SPECS.values()), CATALOGUE)


class _Contracts(Section):
    """What the dictionary is made of enters its data version through its settings: it has no upstream rows."""

    contracts: str = Field(default_factory=_declared_contracts, description="hash of all declared tables, computed")


@product(DATA_DICTIONARY, COHORT, settings=_Contracts, code_version="1", group=GROUP, kinds={"sql"})
def data_dictionary(step: Step) -> pd.DataFrame:
    """Every column of every product: type, unit, meaning, vocabulary and range."""
    from palbo_assets.resistance.data_dictionary import dictionary

    rows = dictionary((spec.table for spec in SPECS.values()), CATALOGUE)
    step.report(columns=len(rows), tables=len(SPECS))
    return frame_from_rows(DATA_DICTIONARY, rows)
