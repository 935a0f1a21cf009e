"""Controls of a sequencing run: planted standards and templates where none should be, through the products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import palbo_assets.definitions  # noqa: F401  declares the tables of other rooms that this one reads
from palbo_assets.ctdna.assets import ctdna_controls, ctdna_run_qc
from palbo_assets.ctdna.controls import read_control_alleles, run_of, verdict_of_run
from palbo_assets.ctdna.fitness import fitness
from palbo_assets.ctdna.formats import verify_control_bam
from palbo_assets.ctdna.settings import Settings
from palbo_assets.ctdna.tables import CTDNA_CONTROLS, CTDNA_RUN_QC
from palbo_assets.demo import ctdna as twin
from palbo_assets.demo import plasma_controls
from palbo_assets.demo.truth import WrittenFile
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets.platform.tables import validate
from palbo_assets.study.vocabulary import Qc
from palbo_assets_tests.ctdna.conftest import Plasma
from palbo_assets_tests.ctdna.test_identity import body

SETTINGS = Settings()


@pytest.fixture(scope="module")
def delivered(plasma: Plasma, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[WrittenFile]]:
    """No template, and standards stated as 1, 0.5 and 0.1 %, of which the one of 0.5 % was planted at 2.5 %."""
    folder = tmp_path_factory.mktemp("controls")
    standards = {"TWIN-STANDARD-1": 0.01, "TWIN-STANDARD-0.5": 0.025, "TWIN-STANDARD-0.1": 0.001}
    return folder, plasma_controls.write(
        plasma.genome, plasma.bed, folder, np.random.default_rng(4), standards=standards, unique_depth=1500
    )


def step(plasma: Plasma, files: list[Any]) -> Any:
    known = {"genome_fasta": plasma.genome.fasta, "ctdna_control_alleles": plasma.folder / "ctdna_control_alleles.csv"}
    bed = SimpleNamespace(role="panel_bed", path=plasma.bed, panel_version="v1", sha256="b")
    return SimpleNamespace(
        files=lambda *roles: [file for file in [bed, *files] if file.role in roles],
        settings=SETTINGS, references=SimpleNamespace(get=known.get), report=lambda **metadata: None,
    )  # fmt: skip


def landed(folder: Path, file: WrittenFile) -> Any:
    path = folder / file.file
    return SimpleNamespace(
        role=file.role, path=path, sha256=sha256(path.read_bytes()).hexdigest(), sample_name=file.sample_name,
        specimen_id=file.specimen_id, panel_version=file.panel_version, patient_id=file.patient_id,
        timepoint=file.timepoint,
    )  # fmt: skip


@pytest.fixture(scope="module")
def controls(plasma: Plasma, delivered: tuple[Path, list[WrittenFile]]) -> pd.DataFrame:
    folder, files = delivered
    frame: pd.DataFrame = body(ctdna_controls)(step(plasma, [landed(folder, file) for file in files]))
    validate(CTDNA_CONTROLS, frame)
    return frame


def test_standards_show_their_alleles_where_depth_lets_them_and_a_wrong_fraction_is_named(
    controls: pd.DataFrame,
) -> None:
    by_material = dict(iter(controls.groupby("material")))
    good, wrong = by_material["TWIN-STANDARD-1"], by_material["TWIN-STANDARD-0.5"]
    assert set(good["verdict"]) == {"pass"} and len(good) == len(twin.STANDARD_ALLELES)
    assert ((good["vaf_low"] < 0.01) & (good["vaf_high"] > 0.01)).all()
    assert set(wrong["reason"]) == {"other_fraction"} and set(wrong["verdict"]) == {"warn"}
    thin = by_material["TWIN-STANDARD-0.1"]
    assert (thin["power"] < 0.95).all()
    assert thin.loc[thin["alt_molecules"] < 2, "verdict"].isna().all()  # 1,500 molecules can't be held to 0.1 %
    assert set(controls["sequencing_run"]) == {twin.RUN}


def test_a_control_without_template_passes_with_stray_molecules_and_fails_with_a_librarys(
    plasma: Plasma, controls: pd.DataFrame, tmp_path: Path
) -> None:
    (empty,) = controls[controls["material"] == "NTC"].to_dict("records")
    assert (empty["verdict"], empty["element"]) == ("pass", "molecules") and 0 < empty["molecules"] < 1.5
    rng = np.random.default_rng(5)
    files = plasma_controls.write(plasma.genome, plasma.bed, tmp_path, rng, standards={}, no_template_depth=12)
    (spilt,) = body(ctdna_controls)(step(plasma, [landed(tmp_path, file) for file in files])).to_dict("records")
    assert (spilt["verdict"], spilt["reason"]) == ("fail", "molecules_without_template")
    assert spilt["molecules"] == pytest.approx(12, rel=0.2)


def test_a_run_that_failed_takes_its_own_plasmas_and_no_others(plasma: Plasma, controls: pd.DataFrame) -> None:
    here = landed(plasma.folder, plasma.file)
    failed = controls.assign(verdict="fail", reason="molecules_without_template")
    for rows, told in ((failed, "fail"), (failed.assign(sequencing_run="ANOTHER"), None)):
        frame = body(ctdna_run_qc)(step(plasma, [here]), rows)
        validate(CTDNA_RUN_QC, frame)
        (row,) = frame.astype(object).where(frame.notna(), None).to_dict("records")
        assert (row["sequencing_run"], row["verdict"]) == (twin.RUN, told)
        assert row["controls"] == (4 if told else 0)
        fit = fitness({"contamination": 0.0}, 0.2, row, SETTINGS)
        assert fit["verdict"] == (told or "pass")
        assert fit["reasons"] == ("controls:molecules_without_template" if told else "")
        assert fit["not_checked"] == ("" if told else "controls")


def test_one_allele_may_be_missed_by_chance_and_many_may_not() -> None:
    def run(missed: int, alleles: int) -> Qc | None:
        rows = [
            {"element": f"chr1:{pos}:A>C", "verdict": "fail" if pos < missed else "pass",
             "reason": "missed" if pos < missed else ""}
            for pos in range(alleles)
        ]  # fmt: skip
        return verdict_of_run(rows, SETTINGS)[0]

    assert (run(0, 10), run(1, 10), run(4, 10)) == (Qc.PASS, Qc.WARN, Qc.FAIL)
    assert verdict_of_run([{"element": "control", "verdict": None, "reason": "unknown_material"}], SETTINGS) == (
        None,
        (),
    )


def test_a_control_that_cannot_be_judged_says_why_and_silences_no_other(
    plasma: Plasma, delivered: tuple[Path, list[WrittenFile]], tmp_path: Path
) -> None:
    folder, files = delivered
    (none,) = [file for file in files if file.specimen_id == "NTC"]
    broken = tmp_path / "broken.bam"
    broken.write_bytes((folder / none.file).read_bytes()[:-200])
    bad = landed(folder, none)
    bad.path, bad.sample_name = broken, "BROKEN"
    strange = landed(folder, replace(none, specimen_id="NOBODYS", sample_name="STRANGE"))
    later = landed(folder, replace(none, panel_version="v9", sample_name="LATER"))
    frame = body(ctdna_controls)(step(plasma, [bad, strange, later, landed(folder, none)]))
    told = dict(zip(frame["control"], frame["reason"], strict=True))
    assert told.pop("BROKEN").startswith("E_") and told.pop(none.sample_name) == ""
    assert told == {"STRANGE": "unknown_material", "LATER": "unknown_panel"}


def test_the_landing_takes_an_empty_control_without_template_and_no_empty_standard(
    plasma: Plasma, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    (empty,) = plasma_controls.write(plasma.genome, plasma.bed, tmp_path, rng, standards={}, no_template_depth=0)
    path = tmp_path / empty.file

    def claimed(material: str, version: str = "v1") -> Callable[[], Any]:
        claim = Claim(empty.file, "ctdna", sample_name=empty.sample_name, specimen_id=material, panel_version=version)
        return lambda: verify_control_bam(path, claim, Context())

    assert claimed("ntc")()["slot"] == empty.sample_name
    for material, version, code in (
        ("TWIN-STANDARD-1", "v1", "E_EMPTY"),
        ("", "v1", "E_SCHEMA"),
        ("NTC", "", "E_SCHEMA"),
    ):
        with pytest.raises(InputError, match=code):
            claimed(material, version)()
    assert run_of(path) == twin.RUN


def test_a_table_of_standards_that_cannot_be_read_names_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "standards.csv"
    for line, column in (("S,chr1,x,A,C,0.01", "pos"), ("S,chr1,5,A,Z,0.01", "alt"), ("S,chr1,5,A,C,1 %", "vaf")):
        path.write_text(f"material,chrom,pos,ref,alt,vaf\n{line}\n")
        with pytest.raises(InputError) as refused:
            read_control_alleles(path)
        assert (refused.value.code, refused.value.row, refused.value.column) == ("E_SCHEMA", 2, column)


def test_standards_of_another_build_are_refused_before_anything_is_judged(plasma: Plasma, tmp_path: Path) -> None:
    chrom, length = next(iter(plasma.genome.contigs.items()))
    base = plasma.genome.sequence(chrom)[99]
    for pos, ref in ((length + 5, base), (100, next(one for one in "ACGT" if one != base))):
        path = tmp_path / f"{pos}.csv"
        path.write_text(f"material,chrom,pos,ref,alt,vaf\nS,{chrom},{pos},{ref},N,0.01\n".replace(",N,", ",AC,"))
        given = step(plasma, [])
        known = {"genome_fasta": plasma.genome.fasta, "ctdna_control_alleles": path}
        given.references = SimpleNamespace(get=known.get)
        with pytest.raises(InputError, match="E_BUILD_MISMATCH"):
            body(ctdna_controls)(given)
