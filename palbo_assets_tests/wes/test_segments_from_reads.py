"""Planted copy number comes back from the alignments where no lab delivered segments; else it is said why not."""

from __future__ import annotations

from dataclasses import replace
from math import log2
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.demo import wes as writer
from palbo_assets.platform.errors import PalboError
from palbo_assets.wes.segments_from_reads import NOT_INSTALLED, find_program, installed_version, segment
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.tables import COPY_NUMBER_SEGMENTS, GENE_COPY_NUMBER
from palbo_assets_tests.wes.conftest import Twin
from palbo_assets_tests.wes.test_assets import File, Trial, tumour

needs_cnvkit = pytest.mark.skipif(not installed_version(), reason="CNVkit isn't installed (extra: copies)")
PURITY = 0.7
PLANTED = {"ERBB2": 12, "RB1": 0, "CCND1": 8}


@pytest.fixture(scope="module")
def files(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> list[File]:
    """A tumour with planted copies, its blood, and the purity that pathology or a fit would state."""
    folder = tmp_path_factory.mktemp("copies")
    truth = replace(twin.truths["PALBO-002-BL"], copy_number=PLANTED, purity=PURITY)
    made = writer.write(truth, twin.people["PALBO-002"], twin.genome, folder, np.random.default_rng(4), germline=True)
    for one in made:
        (folder / f"{one.file}.bai").unlink()  # labs need not deliver an index
    fit = folder / "fit.purityploidy.txt"
    fit.write_text(f"purity\tploidy\n{PURITY}\t2.0\n", encoding="utf-8")
    paths = {one.role: folder / one.file for one in made} | {"purity": fit}
    blood = File(paths["normal_bam"], "n", "normal_bam", "patient", "PALBO-002", "BL", "PALBO-002-B1")
    own = tumour(twin, "PALBO-002-BL-T", "PALBO-002", "BL")
    return [blood, *(replace(own, path=paths[role], sha256=role, role=role) for role in ("tumour_bam", "purity"))]


def trial(folder: Path, files: list[File], twin: Twin, settings: str) -> Trial:
    found = Trial(folder, files, twin)
    found.installation.home.settings_file.write_text(settings, encoding="utf-8")
    found.run("PALBO-002|BL", only=("snp_genotypes", "sample_identity", "copy_number_segments", "gene_copy_number"))
    return found


def test_the_tests_own_environment_has_the_program() -> None:
    lock = Path(__file__).parents[2] / "requirements.lock"
    assert "\ncnvkit==" in lock.read_text(encoding="utf-8")


@needs_cnvkit
def test_planted_amplifications_and_a_deletion_are_found_in_the_reads(
    files: list[File], twin: Twin, tmp_path: Path
) -> None:
    before = sorted(path.name for path in files[0].path.parent.iterdir())
    found = trial(tmp_path, files, twin, "wes:\n  copies_from_bam: true\n")
    segments = found.rows(COPY_NUMBER_SEGMENTS, "PALBO-002|BL")
    assert set(segments["tool"]) == {"cnvkit"} and segments["made_here"].all()
    genes = found.rows(GENE_COPY_NUMBER, "PALBO-002|BL").set_index("gene")
    for gene, copies in PLANTED.items():
        ratio = log2((PURITY * copies + 2 * (1 - PURITY)) / 2)
        assert genes.loc[gene, "log2"] == pytest.approx(ratio, abs=0.2)
    assert genes.loc[list(PLANTED), "state"].tolist() == ["AMPLIFICATION", "HOMOZYGOUS_DELETION", "AMPLIFICATION"]
    others = genes.drop(list(PLANTED))
    assert not set(others["state"]) & {"AMPLIFICATION", "HOMOZYGOUS_DELETION"} and others["log2"].abs().max() < 0.3
    # Nothing is written beside what was delivered.
    assert sorted(path.name for path in files[0].path.parent.iterdir()) == before


def test_without_the_program_copies_are_not_evaluable_and_it_is_said_what_to_install(
    files: list[File], twin: Twin, tmp_path: Path
) -> None:
    found = trial(tmp_path, files, twin, "wes:\n  copies_from_bam: true\n  copies_program: no-such-program\n")
    genes = found.rows(GENE_COPY_NUMBER, "PALBO-002|BL")
    assert set(genes["state"]) == {"NOT_EVALUABLE"} and set(genes["reason"]) == {NOT_INSTALLED}
    assert found.rows(COPY_NUMBER_SEGMENTS, "PALBO-002|BL").empty


def test_it_is_only_done_when_asked_for(files: list[File], twin: Twin, tmp_path: Path) -> None:
    found = trial(tmp_path, files, twin, "")
    assert set(found.rows(GENE_COPY_NUMBER, "PALBO-002|BL")["reason"]) == {"NO_SEGMENTS"}


@pytest.mark.parametrize(
    ("script", "words", "hint"),
    [
        ("#!/bin/sh\necho no >&2\nexit 3\n", "ended with 3", "log"),
        ("#!/bin/sh\nexit 0\n", "made no segments", "log"),
        ("#!/bin/sh\nkill -SEGV $$\n", "crashed (signal 11)", "log"),
        ("#!/bin/sh\nkill -KILL $$\n", "ran out of memory", "more memory"),
        ("#!/bin/sh\necho MemoryError >&2\nexit 1\n", "ran out of memory", "more memory"),
        (
            "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'pomegranate'\" >&2\nexit 1\n",
            "lacks a package",
            "pip install",
        ),
        ("#!/no/such/interpreter\n", "can't be started", "copies_program"),
        ("#!/bin/sh\nsleep 60 &\nsleep 60\n", "stopped after", "copies_timeout"),
    ],
)
def test_a_program_that_fails_is_told_with_what_to_do(
    script: str, words: str, hint: str, files: list[File], twin: Twin, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text(script, encoding="utf-8")
    broken.chmod(0o755)
    program = find_program(str(broken))
    assert program == broken
    bam, fasta, bed = files[0].path, twin.genome.fasta, twin.genome.target_bed
    with pytest.raises(PalboError) as caught:
        segment(program, bam, bam, bed, fasta, tmp_path / "work", method="haar", min_mapping=30, timeout_hours=1 / 3600)
    assert caught.value.code == "E_PROGRAM"
    assert words in caught.value.message and hint in caught.value.fix


@needs_cnvkit
@pytest.mark.accuracy
@pytest.mark.parametrize("method", ["haar", "hmm-tumor"])
def test_the_same_reads_give_the_same_segments(files: list[File], twin: Twin, tmp_path: Path, method: str) -> None:
    program = find_program(Settings().copies_program)
    assert program is not None
    paths = {one.role: one.path for one in files}
    made = [
        _read_columns(segment(
            program, paths["tumour_bam"], paths["normal_bam"], twin.genome.target_bed, twin.genome.fasta,
            tmp_path / name, method=method, min_mapping=30, timeout_hours=1.0,
        ))
        for name in ("first", "second")
    ]  # fmt: skip
    assert made[0] == made[1] and {"chr17", "chr13"} <= {row[0] for row in made[0]}


def _read_columns(path: Path) -> list[tuple[str, ...]]:
    """Place, ratio and number of bins. CNVkit draws the intervals beside them anew each time; nothing reads those."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    wanted = [lines[0].index(name) for name in ("chromosome", "start", "end", "log2", "probes")]
    return [tuple(cells[at] for at in wanted) for cells in lines]
