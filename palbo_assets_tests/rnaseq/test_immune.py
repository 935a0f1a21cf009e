"""Cell fractions recover planted mixtures of the published profiles; marker scores match genes by Ensembl id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from palbo_assets.platform.errors import ReferenceBundleError
from palbo_assets.rnaseq.immune_fractions import (
    OTHER,
    Signature,
    cell_fractions,
    constrained_least_squares,
    marker_scores,
    read_markers,
    read_signature,
)
from palbo_assets.rnaseq.immune_rows import References, rows_of
from palbo_assets.rnaseq.settings import Settings


@pytest.fixture(scope="module")
def til10(shared_data: Path) -> Signature:
    folder = shared_data / "reference/domain"
    return read_signature(folder / "quantiseq_TIL10_signature.txt", folder / "quantiseq_TIL10_mRNA_scaling.txt")


def mixture(signature: Signature, cells: np.ndarray, rng: np.random.Generator, noise: float) -> pd.Series:
    """TPM of a biopsy: each cell gives RNA by its content; the tumour expresses none of the signature's genes."""
    rna = np.append(cells * signature.mrna.to_numpy(), (1 - cells.sum()) * signature.mrna.mean())
    rna /= rna.sum()
    immune = signature.profiles.to_numpy() @ rna[:-1] * rng.lognormal(0, noise, len(signature.profiles))
    tpm = pd.Series(immune, index=signature.profiles.index)
    tumour = rng.gamma(0.3, 1, 15_000)
    tumour *= (1e6 - tpm.sum()) / tumour.sum()
    return pd.concat([tpm, pd.Series(tumour, index=[f"T{i}" for i in range(len(tumour))])])


def test_simulated_mixtures_are_recovered_for_every_cell_type_and_where_it_reaches_five_percent_for_all_but_one(
    til10: Signature,
) -> None:
    rng = np.random.default_rng(11)
    settings = Settings()
    left_out = {*settings.noisy_signature_genes, *settings.tumour_signature_genes}
    planted, found = [], []
    for _ in range(150):
        cells = rng.dirichlet(np.full(10, 0.7)) * rng.uniform(0.2, 0.9)
        planted.append([*cells, 1 - cells.sum()])
        fractions, present, total = cell_fractions(mixture(til10, cells, rng, 0.2), til10, left_out)
        assert present == total == 138 and fractions.sum() == pytest.approx(1) and fractions.min() >= 0
        found.append(fractions.to_numpy())
    truth, estimate = np.array(planted), np.array(found)
    names = [*til10.profiles.columns, OTHER]
    r = {name: np.corrcoef(truth[:, i], estimate[:, i])[0, 1] for i, name in enumerate(names)}
    assert min(r.values()) > 0.9, r
    # Where a type reaches 5 %: a narrower range of truth, so a harder demand than over all mixtures.
    there = [truth[:, i] > 0.05 for i in range(len(names))]
    above = {
        name: np.corrcoef(truth[mask, i], estimate[mask, i])[0, 1]
        for i, (name, mask) in enumerate(zip(names, there, strict=True))
    }
    assert min(mask.sum() for mask in there) > 20
    # CD4 cells and regulatory ones share most of their profile.
    assert min(value for name, value in above.items() if name != "T.cells.CD4") > 0.9, above
    assert above["T.cells.CD4"] > 0.85


def test_the_constrained_fit_equals_a_general_optimiser(til10: Signature) -> None:
    rng = np.random.default_rng(3)
    profiles = til10.profiles.to_numpy()
    scale = np.linalg.norm(profiles, 2)
    for total in (0.3, 1.0, 1.7):  # the last one pushes against the limit of the sum
        target = profiles @ (rng.dirichlet(np.ones(10)) * total) * rng.lognormal(0, 0.3, len(profiles))
        own = constrained_least_squares(profiles, target)
        general = minimize(
            lambda x: (((profiles @ x - target) / scale) ** 2).sum(),  # noqa: B023
            np.full(10, 0.05), method="SLSQP", bounds=[(0, 1)] * 10, options={"maxiter": 500, "ftol": 1e-14},
            constraints={"type": "ineq", "fun": lambda x: 1 - x.sum()},
        )  # fmt: skip
        assert own.min() >= 0 and own.sum() <= 1 + 1e-9
        assert (((profiles @ own - target) / scale) ** 2).sum() <= general.fun * (1 + 1e-5)


def test_a_biopsy_without_immune_cells_is_other(til10: Signature) -> None:
    tpm = mixture(til10, np.zeros(10), np.random.default_rng(0), 0.0)
    assert cell_fractions(tpm, til10)[0][OTHER] == pytest.approx(1, abs=1e-6)


def test_markers_are_matched_by_ensembl_id_where_the_symbol_is_damaged(shared_data: Path) -> None:
    markers = read_markers(shared_data / "reference/domain/mcpcounter_genes.txt")
    assert len(markers) == 10 and sum(map(len, markers.values())) == 111
    assert any((one.symbol, one.ensembl_id) == ("C", "ENSG00000168497") for one in markers["Endothelial cells"])
    genes = pd.DataFrame(
        {
            "gene_id": [one.ensembl_id or f"ENSG9{i:010d}" for i, one in enumerate(markers["Endothelial cells"])],
            "gene_symbol": [f"G{i}" for i in range(33)],
            "tpm": 3.0,
        }
    )
    found = {name: (score, present, total) for name, score, present, total in marker_scores(genes, markers)}
    score, present, total = found["Endothelial cells"]
    assert present == sum(bool(one.ensembl_id) for one in markers["Endothelial cells"]) and total == 33
    assert score == pytest.approx(2.0)
    assert np.isnan(found["B lineage"][0])


def test_without_references_every_population_says_so() -> None:
    rows = rows_of(pd.Series({"CD8A": 1e6}), pd.DataFrame(), References(None, None), Settings())
    assert rows and {row["status"] for row in rows} == {"NOT_EVALUABLE"}
    assert all(row["reason"].startswith("REFERENCE_MISSING") and row["value"] is None for row in rows)


def test_too_few_genes_of_the_signature_give_no_fraction(til10: Signature) -> None:
    tpm = mixture(til10, np.full(10, 0.05), np.random.default_rng(1), 0.1).drop(til10.profiles.index[:90])
    rows = rows_of(tpm, pd.DataFrame(), References(til10, None), Settings())
    assert {(row["value"], row["reason"]) for row in rows} == {(None, "TOO_FEW_GENES")}


def test_damaged_references_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    for content in ("ID\tB\tT\nCD19\t1\tx\n", "ID\tB\tT\nCD19\t1\t2\nCD19\t1\t2\n", "ID\tB\tT\nCD19\t1\t\n"):
        path.write_text(content)
        with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
            read_signature(path, None)
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(ReferenceBundleError, match="E_REFERENCE_SCHEMA"):
        read_markers(path)
