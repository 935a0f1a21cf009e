"""Settings and references: a user's mistake is named with its place; a wrong checksum stops what needs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from palbo_assets.platform.config import Home, check_names, explicit_driver, load_settings
from palbo_assets.platform.errors import PalboError, ReferenceBundleError
from palbo_assets.platform.instance import INSTANCE_YAML
from palbo_assets.platform.references import ReferenceBundle, add_entry, write_bundle
from palbo_assets_tests.conftest import REPOSITORY


class Settings(BaseModel):
    depth: int = Field(default=20, ge=1)


def test_settings_come_from_the_rooms_section_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    assert load_settings(Settings, "wes", file).depth == 20
    file.write_text("wes: {depth: 50}\n")
    assert load_settings(Settings, "wes", file).depth == 50
    assert load_settings(Settings, "ctdna", file).depth == 20


@pytest.mark.parametrize("content", ["wes: {depth: 0}", "wes: {depth: many}", "- a\n- b", "wes: [", "wes: 3"])
def test_settings_that_can_not_be_used_are_refused_with_a_clear_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(PalboError, match="E_SETTINGS"):
        load_settings(Settings, "wes", file)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("wess: {depth: 3}", "no section wess"),
        ("wes: {dept: 3}", "is depth meant?"),
        ("wes: {zzz: 3}", "remove it"),
        ("wes: {3: 3}", "remove it"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_name_that_was_meant(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "settings.yaml"
    known = {"wes": {"depth", "purity"}}
    file.write_text("wes: {depth: 50, purity: 0.5}")
    check_names(file, known)
    file.write_text(content)
    with pytest.raises(PalboError) as refused:
        check_names(file, known)
    assert refused.value.code == "E_SETTINGS"
    assert told in str(refused.value) + refused.value.fix


def test_a_postgres_url_gets_its_driver_spelled_out() -> None:
    assert explicit_driver("postgresql://u@h/d") == "postgresql+psycopg2://u@h/d"
    assert explicit_driver("postgresql+psycopg://u@h/d") == "postgresql+psycopg://u@h/d"


def test_home_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PALBO_HOME", str(tmp_path))
    monkeypatch.setenv("PALBO_DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("PALBO_REFERENCE", str(tmp_path / "ref"))
    home = Home.from_environment()
    assert (home.root, home.reference) == (tmp_path, tmp_path / "ref")
    assert home.database_url.startswith("postgresql+psycopg2")


def test_the_instance_file_in_the_package_is_the_repositorys() -> None:
    assert (REPOSITORY / "dagster.yaml").read_text() == INSTANCE_YAML


def bundle(folder: Path) -> ReferenceBundle:
    (folder / "genome.fa").write_text(">chr1\nACGT\n")
    (folder / "genome.fa.fai").write_text("chr1\t4\t6\t4\t5\n")
    write_bundle(folder, "mini", [{"name": "genome_fasta", "file": "genome.fa"}])
    return ReferenceBundle.load(folder)


def test_an_absent_bundle_is_empty_and_an_absent_entry_says_how_to_add_it(tmp_path: Path) -> None:
    empty = ReferenceBundle.load(tmp_path)
    assert empty.get("genome_fasta") is None
    with pytest.raises(ReferenceBundleError, match=r"E_REFERENCE_MISSING.*palbo reference add"):
        empty.path("genome_fasta")


def test_a_verified_file_is_handed_out_with_its_contigs(tmp_path: Path) -> None:
    loaded = bundle(tmp_path)
    assert loaded.path("genome_fasta") == tmp_path / "genome.fa"
    assert loaded.contig_lengths() == {"chr1": 4}


def test_a_changed_file_stops_what_needs_it(tmp_path: Path) -> None:
    loaded = bundle(tmp_path)
    loaded.path("genome_fasta")
    (tmp_path / "genome.fa").write_text(">chr1\nACGTT\n")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_CHECKSUM"):
        loaded.path("genome_fasta")


def test_a_step_sees_only_the_references_it_declared(tmp_path: Path) -> None:
    assert bundle(tmp_path).limited_to(["other"]).get("genome_fasta") is None


@pytest.mark.parametrize("content", ["", "build: x", "entries: 3", "build: x\nentries: [{name: a}]", "{"])
def test_a_manifest_that_can_not_be_read_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "bundle.yaml").write_text(content)
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        ReferenceBundle.load(tmp_path)


def test_adding_an_entry_registers_its_checksum_and_keeps_the_others(tmp_path: Path) -> None:
    bundle(tmp_path)
    source = tmp_path / "elsewhere" / "sets.gmt"
    source.parent.mkdir()
    source.write_text("S\tx\tESR1\n")
    add_entry(tmp_path, "gene_sets", source, licence="CC-BY-4.0")
    loaded = ReferenceBundle.load(tmp_path)
    assert loaded.path("gene_sets").read_text() == "S\tx\tESR1\n"
    assert loaded.entry("gene_sets").licence == "CC-BY-4.0"
    assert loaded.path("genome_fasta")
    with pytest.raises(ReferenceBundleError, match="--build"):
        add_entry(tmp_path / "new", "gene_sets", source)
