"""The catalogue of features and the definitions of mechanisms agree with the tables that they read."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import palbo_assets.definitions  # noqa: F401  (declares every product)
from palbo_assets.demo.rnaseq import CORE_SETS
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.tables import Table
from palbo_assets.resistance import features, mechanisms
from palbo_assets.resistance.absence import _OF_LEDGER
from palbo_assets.resistance.features import load_features
from palbo_assets.resistance.mechanisms import ASSAY_OF_SOURCE, Kind, load_mechanisms, one_letter
from palbo_assets.resistance.tables import INTEGRATED_RESISTANCE_PAIRS, INTEGRATED_RESISTANCE_TABLE
from palbo_assets.study.protocol import load_protocol

CATALOGUE = load_features()
MECHANISMS = load_mechanisms()
TABLES: dict[str, Table] = {
    table.name: table
    for room in ("wes", "rnaseq", "ctdna", "histology", "serum", "cytometry", "resistance")
    for table in import_module(f"palbo_assets.{room}.tables").TABLES
}


@pytest.mark.parametrize("feature", CATALOGUE.features, ids=lambda feature: feature.name)
def test_every_selector_names_columns_and_words_that_its_table_has(feature) -> None:
    table = TABLES[feature.table]
    named = {*feature.counted, feature.column, feature.fallback_column, feature.status_column, feature.reason_column,
             feature.censor_column, feature.lloq_column, feature.uloq_column, *feature.where,
             *feature.otherwise} - {""}  # fmt: skip
    assert named <= set(table.column_names)
    for column, wanted in [*feature.where.items(), *feature.otherwise.items(), *feature.counted.items()]:
        words = wanted if isinstance(wanted, list) else [wanted]
        assert not table[column].allowed or set(words) <= set(table[column].allowed)
    for gate in feature.gates:
        allowed = TABLES[gate.table][gate.column].allowed
        assert not allowed or set(gate.values) <= set(allowed)


def test_the_twins_gene_sets_are_found_by_their_own_names() -> None:
    """Cores of the published sets aren't named as the sets, and still reach the wide table."""
    assert set(CORE_SETS) == {feature.otherwise["signature"] for feature in CATALOGUE.features if feature.otherwise}


@pytest.mark.parametrize("feature", CATALOGUE.features, ids=lambda feature: feature.name)
def test_every_feature_belongs_to_an_assay_of_the_protocol_and_of_its_table(feature) -> None:
    assert feature.assay in load_protocol().assays
    assert feature.measured_by in TABLES


def test_a_number_read_from_a_table_has_the_unit_that_the_table_declares() -> None:
    read = [one for one in CATALOGUE.features if one.type == "real" and one.column and one.aggregate != "count"]
    declared = {feature.name: TABLES[feature.table][feature.column].unit for feature in read}
    wrong = [
        feature.name
        for feature in read
        if declared[feature.name] not in ("see unit", feature.unit)
        and not (feature.unit == "H-score" and declared[feature.name] == "1")
    ]
    assert wrong == []


def test_wide_columns_fit_into_a_postgresql_identifier_and_every_value_has_its_status() -> None:
    for table in (INTEGRATED_RESISTANCE_TABLE, INTEGRATED_RESISTANCE_PAIRS):
        assert max(len(name) for name in table.column_names) <= 63
        assert len(table.column_names) < 1600
    names = set(INTEGRATED_RESISTANCE_TABLE.column_names)
    assert {f"{feature.name}__status" for feature in CATALOGUE.of_samples} <= names
    pairs = set(INTEGRATED_RESISTANCE_PAIRS.column_names)
    assert {f"{feature.name}__status" for feature in CATALOGUE.of_pairs} <= pairs - names
    assert {f"{feature.name}__pair_status" for feature in CATALOGUE.side_by_side} <= pairs
    left_out = {feature.name for feature in CATALOGUE.of_samples} - {one.name for one in CATALOGUE.side_by_side}
    assert not any(name.startswith(tuple(f"{one}__" for one in left_out)) for name in pairs)


@pytest.mark.parametrize("feature", CATALOGUE.features, ids=lambda feature: feature.name)
def test_a_features_grain_is_that_of_the_product_it_is_from_and_its_facts_read_what_it_needs(feature) -> None:
    level = SPECS[feature.table].level
    assert {"sample": {"batch", "sample"}, "patient": {"patient"}, "pair": {"patient"}, "cohort": {"cohort"}}[
        feature.grain
    ] >= {level}
    product = {"sample": "facts", "cohort": "cohort_facts"}.get(feature.grain, "patient_facts")
    assert feature.tables <= set(SPECS[product].upstream)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("unit: pg/mL", "needs a unit"),
        ("table: nrg1_elisa", "table"),
        ("description: Neuregulin-1 in serum", "description"),
    ],
)
def test_a_catalogue_that_lacks_something_is_refused_by_name(tmp_path: Path, change: str, message: str) -> None:
    text = features.DEFAULT_PATH.read_text(encoding="utf-8")
    broken = tmp_path / "features.yaml"
    broken.write_text(text.replace(f"        {change}\n", "", 1), encoding="utf-8")
    with pytest.raises(PalboError, match=message) as caught:
        load_features(broken)
    assert caught.value.code == "E_FEATURES"


def test_a_mechanism_with_an_unknown_source_is_refused(tmp_path: Path) -> None:
    text = mechanisms.DEFAULT_PATH.read_text(encoding="utf-8")
    broken = tmp_path / "mechanisms.yaml"
    broken.write_text(text.replace("sources: [wes, ctdna]", "sources: [wes, tarot]", 1), encoding="utf-8")
    with pytest.raises(PalboError, match="tarot") as caught:
        load_mechanisms(broken)
    assert caught.value.code == "E_MECHANISMS"


def test_every_measure_reads_a_feature_of_its_own_source() -> None:
    for mechanism in MECHANISMS.listed:
        for measure in mechanism.measures:
            assert CATALOGUE[measure.feature].modality == measure.source
        if mechanism.kind is Kind.VARIANT:
            assert set(mechanism.sources) <= set(ASSAY_OF_SOURCE)


def test_every_state_of_the_delivery_ledger_explains_an_absence() -> None:
    from palbo_assets.clinical.delivery_ledger import DeliveryState

    assert set(_OF_LEDGER) == set(map(str, DeliveryState))


@pytest.mark.parametrize(
    ("code", "gene", "change", "lof", "expected"),
    [
        ("ESR1_MUT", "ESR1", "p.D538G", False, True),
        ("ESR1_MUT", "ESR1", "p.Asp538Gly", False, True),
        ("ESR1_MUT", "ESR1", "p.K303R", False, False),  # listed in the literature, no driver
        ("ESR1_MUT", "ESR1", "p.V422del", False, True),
        ("ESR1_MUT", "PIK3CA", "p.D538G", False, False),
        ("PIK3CA_ACT", "PIK3CA", "p.H1047Q", False, True),  # any substitution of the residue
        ("PIK3CA_ACT", "PIK3CA", "p.H1047*", True, False),  # a stop is none
        ("PIK3CA_ACT", "PIK3CA", "p.H104R", False, False),
        ("PIK3CA_ACT", "PIK3CA", "p.E542V", False, False),
        ("ERBB2_ACT", "ERBB2", "p.A775_G776insYVMA", False, True),
        ("ERBB2_ACT", "ERBB2", "p.A1775_G1776insYVMA", False, False),
        ("FGFR2_ACT", "FGFR2", "p.N549K", False, True),
        ("FGFR2_ACT", "FGFR2", "p.N550K", False, True),
        ("TP53_MUT", "TP53", "p.R175H", False, True),
        ("TP53_MUT", "TP53", "p.P72R", False, False),  # germline polymorphism outside the domain
        ("TP53_MUT", "TP53", None, True, True),  # a splice site has no protein change
        ("RB1_LOF", "RB1", "p.R320*", True, True),
        ("RB1_LOF", "RB1", "p.R320Q", False, False),
        ("RAS_ACT", "NRAS", "p.Q61K", False, True),
        ("RAS_ACT", None, None, None, False),
        ("PTEN_LOF", "PTEN", "p.R130=", False, False),
    ],
)
def test_alterations_are_recognised_as_the_definitions_say(code, gene, change, lof, expected) -> None:
    assert MECHANISMS[code].covers(gene, change, lof) is expected


def test_three_letter_changes_become_one_letter_changes() -> None:
    assert one_letter("p.(Glu545Lys)") == "E545K"
    assert one_letter("p.Arg320Ter") == "R320*"
    assert one_letter(None) == ""
