"""The classifier: text in, text out, the same predictions as scikit-learn's, and never validated on rendered nuclei."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from palbo_assets.histology import classifier, synthetic
from palbo_assets.histology.classifier import CLASSES, Model, Training, train
from palbo_assets.histology.settings import ModelSettings
from palbo_assets.platform.errors import InputError, PalboError

SMALL = ModelSettings(nuclei_per_class=60)


def test_training_again_gives_the_same_model() -> None:
    assert train(SMALL).model.to_json() == train(SMALL).model.to_json()


def test_another_seed_gives_another_version() -> None:
    assert train(SMALL).model.version != train(SMALL.model_copy(update={"seed": 21})).model.version


def test_the_text_carries_the_whole_model(training: Training) -> None:
    text = training.model.to_json()
    again = Model.from_json(text)
    assert again.to_json() == text
    assert training.model.version == hashlib.sha256(text.encode()).hexdigest()[:12]
    nuclei = synthetic.training_nuclei(60, seed=99)
    np.testing.assert_array_equal(again.probabilities(nuclei), training.model.probabilities(nuclei))


def test_predictions_equal_scikit_learns(training: Training) -> None:
    table = synthetic.training_nuclei(ModelSettings().nuclei_per_class, ModelSettings().seed)
    x, y = classifier.predictors(table), table["label"].to_numpy(dtype=str)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")).fit(x, y)
    order = [list(pipeline.classes_).index(name) for name in CLASSES]
    np.testing.assert_allclose(training.model.probabilities(table), pipeline.predict_proba(x)[:, order], atol=1e-4)


def test_unseen_rendered_nuclei_are_told_apart(training: Training) -> None:
    unseen = synthetic.training_nuclei(150, seed=1234)
    guess = np.array(CLASSES)[training.model.predict(unseen)]
    for name in ("lymphocyte", "tumour", "stroma"):
        assert (guess[unseen["label"] == name] == name).mean() > 0.85, name
    assert training.accuracy > 0.85


def test_rendered_training_is_never_validated(training: Training) -> None:
    assert not training.validated and training.source == classifier.RENDERED


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"classes": ["a"]}', "null"])
def test_a_text_that_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(PalboError, match="E_MODEL"):
        Model.from_json(text)


def _labelled(path: Path, patients: int = 4, **replace: object) -> Path:
    table = synthetic.training_nuclei(60, seed=7)
    table["group"] = [f"P{number % patients}" for number in range(len(table))]
    table[[*classifier.MEASURED, "label", "group"]].assign(**replace).to_csv(path, index=False)
    return path


def test_labelled_nuclei_of_several_patients_can_validate_the_model(tmp_path: Path) -> None:
    table = classifier.read_training(_labelled(tmp_path / "nuclei.csv"), SMALL)
    result = train(SMALL, table)
    assert result.validated and result.source == classifier.LABELLED and result.accuracy > 0.8


def test_labels_of_one_patient_validate_nothing(tmp_path: Path) -> None:
    result = train(SMALL, classifier.read_training(_labelled(tmp_path / "nuclei.csv", patients=1), SMALL))
    assert not result.validated and np.isnan(result.accuracy)
    assert classifier.model_row(result)["cv_balanced_accuracy"] is None


def test_an_unknown_class_names_its_row_and_not_its_value(tmp_path: Path) -> None:
    path = _labelled(tmp_path / "nuclei.csv", label="plasmablast")
    with pytest.raises(InputError) as caught:
        classifier.read_training(path, SMALL)
    assert (caught.value.code, caught.value.row, caught.value.column) == ("E_SCHEMA", 2, "label")
    assert "plasmablast" not in str(caught.value)
