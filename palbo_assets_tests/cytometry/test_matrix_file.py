"""Compensation matrices as files of their own, and files that were compensated before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palbo_assets.cytometry import formats
from palbo_assets.cytometry.acquisition import read_stained
from palbo_assets.cytometry.compensation import Spill
from palbo_assets.cytometry.fcs import read_fcs
from palbo_assets.cytometry.matrix_file import read_matrix
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context
from palbo_assets_tests.cytometry.fcs_writer import fcs

STRATEGY = load_strategy()


def written(path: Path, spill: Spill, form: str) -> Path:
    """The ways in which FlowJo and FACSDiva lay the table out."""
    delimiter = "\t" if form == "tabs" else ";" if form == "decimal comma" else ","
    head = [f"Comp-{name} :: CD3" if form == "FlowJo" else name for name in spill.channels]
    factor = 100 if form == "per cent" else 1
    rows = [[f"{factor * cell:.6g}" for cell in row] for row in spill.matrix]
    if form in ("FlowJo", "tabs"):
        rows = [[name, *row] for name, row in zip(head, rows, strict=True)]
        head = ["", *head]
    text = "\n".join(delimiter.join(row) for row in [head, *rows]) + "\n"
    path.write_text(text.replace(".", ",") if form == "decimal comma" else text, encoding="utf-8-sig")
    return path


@pytest.fixture(scope="module")
def tube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tube")
    (file,) = facs.write(SampleTruth("PALBO-001", "BL", 0, 0.5), folder, np.random.default_rng(3))
    return folder / file.file


@pytest.mark.parametrize("form", ["plain", "per cent", "tabs", "FlowJo", "decimal comma"])
def test_a_delivered_matrix_compensates_like_the_same_matrix_in_the_file(tmp_path: Path, tube: Path, form: str) -> None:
    spill = read_fcs(tube).spill
    assert spill is not None
    path = written(tmp_path / "tube.compensation.csv", spill, form)
    without = tmp_path / "tube.fcs"
    without.write_bytes(tube.read_bytes().replace(b"SPILLOVER", b"SPILLXVER"))
    _, own = read_stained(tube, STRATEGY)
    _, bare = read_stained(without, STRATEGY)
    _, delivered = read_stained(without, STRATEGY, matrix=path)
    assert (own.origin, bare.origin) == ("file", "none")
    for marker in ("CD3", "CD127", "PD-1", "FSC-A"):
        assert np.allclose(delivered.of(marker), own.of(marker))
    assert not np.allclose(bare.of("CD127"), own.of("CD127"))
    claim = Claim(path.name, "facs", "PALBO-001", "BL", role="compensation")
    assert formats.verify_matrix(path, claim, Context(siblings={"fcs": without})) == {"channels": len(spill.channels)}


def test_real_matrix_files_are_read(shared_data: Path) -> None:
    folder = shared_data / "fcs/flowkit"
    first, second = read_matrix(folder / "comp_complete_example.csv"), read_matrix(folder / "den_comp.csv")
    assert (len(first.channels), first.channels[:2], first.matrix[0, 1]) == (14, ("Ax488-A", "PE-A"), 0.2986)
    assert (len(second.channels), second.channels[0], second.matrix[0, 1]) == (8, "TNFa FITC FLR-A", 0.014139)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("A,B\n1,0.1\n", 2),
        ("A,B\n1,0.1\n0,1\n0,0\n", 1),
        ("A,A\n1,0.1\n0,1\n", 1),
        ("A,B\n1,0.1\nsecret,1\n", 3),
        ("A,B\n1,nan\n0,1\n", 2),
        ("A,B\n1,1\n1,1\n", None),
        ("A,B\n7,0.1\n0,7\n", None),
        (",A,B\nB,1,0.1\nA,0,1\n", 2),
        ("A,B\n1,0.1\n0\n", 3),
        ("A\n", None),
        ('A,B\n"1,0\n', None),
    ],
)
def test_a_table_that_is_no_matrix_is_refused_with_its_row(tmp_path: Path, text: str, row: int | None) -> None:
    path = tmp_path / "x.compensation.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_matrix(path)
    assert (error.value.code, error.value.row) == ("E_SPILL", row)
    assert error.value.fix and "secret" not in str(error.value)


def test_what_is_compensated_already_is_compensated_no_second_time(tmp_path: Path, tube: Path) -> None:
    path = tmp_path / "exported.fcs"
    more = {"$P1N": "Comp-FITC-A", "$P2N": "Comp-PE-A", "$P1S": "CD3", "SPILL": "2,FITC-A,PE-A,1,0.3,0,1"}
    path.write_bytes(fcs([[500.0, 100.0]] * 3, more=more))
    events, sample = read_stained(path, STRATEGY)
    assert events.spill is None and sample.origin == "already"
    assert sample.of("CD3").tolist() == [500.0] * 3
    spill = read_fcs(tube).spill
    assert spill is not None
    with pytest.raises(InputError) as error:
        read_stained(path, STRATEGY, matrix=written(tmp_path / "a.compensation.csv", spill, "plain"))
    assert error.value.code == "E_SPILL"


def test_a_matrix_of_other_channels_is_refused(tmp_path: Path, tube: Path) -> None:
    path = tmp_path / "other.compensation.csv"
    path.write_text("X-A,Y-A\n1,0.1\n0,1\n")
    with pytest.raises(InputError) as error:
        read_stained(tube, STRATEGY, matrix=path)
    assert error.value.code == "E_SPILL"
