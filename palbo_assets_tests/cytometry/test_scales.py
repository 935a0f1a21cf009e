"""Scales against FlowKit and flowutils, there and back; and gatings that are placed on them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from palbo_assets.cytometry.fcs import read_fcs
from palbo_assets.cytometry.gating import Tube, gate, stained
from palbo_assets.cytometry.logicle import Logicle
from palbo_assets.cytometry.scales import Asinh, Biexponential, Scale
from palbo_assets.cytometry.strategy import load_strategy
from palbo_assets.demo import facs
from palbo_assets.demo.truth import SampleTruth
from palbo_assets.platform.errors import ReferenceBundleError

VALUES = np.concatenate([-np.logspace(3, 0, 50), [0.0], np.logspace(0, np.log10(262144), 500)])


@pytest.mark.parametrize("cofactor", [5.0, 150.0])
def test_the_inverse_hyperbolic_sine_is_gatingmls(cofactor: float) -> None:
    from flowkit import transforms

    truth = transforms.AsinhTransform(
        param_t=262144, param_m=float(np.arcsinh(262144 / cofactor) / np.log(10)), param_a=0
    )
    assert Asinh(cofactor=cofactor).transform(VALUES) == pytest.approx(truth.apply(VALUES), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("width", "negative"), [(-10.0, 0.0), (-100.0, 0.5)])
def test_the_biexponential_is_flowjos_as_flowkit_reads_it_from_workspaces(width: float, negative: float) -> None:
    from flowkit import transforms

    truth = transforms.WSPBiexTransform(negative=negative, width=width)
    found = Biexponential(width=width, negative=negative).transform(VALUES.reshape(-1, 1))
    assert np.array_equal(found.ravel() * 4096, truth.apply(VALUES))


@pytest.mark.parametrize("scale", [Logicle(), Logicle(w=1.0, a=0.5), Asinh(), Asinh(cofactor=5.0), Biexponential()])
def test_a_scale_rises_to_one_and_comes_back(scale: Scale) -> None:
    on_scale = scale.transform(VALUES)
    inner = VALUES[(VALUES > -50) & (VALUES < 250_000)]  # FlowJo's table is flat at its ends
    assert (np.diff(scale.transform(inner)) > 0).all()
    assert float(on_scale[-1]) == pytest.approx(1.0, abs=1e-6)
    assert scale.inverse(scale.transform(inner)) == pytest.approx(inner, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "written", ["asinh: {t: 262144, cofactor: 150}", "biexponential: {t: 262144.000029, width: -10}"]
)
def test_a_panel_may_be_gated_on_another_scale(tmp_path: Path, written: str) -> None:
    own = files("palbo_assets.cytometry").joinpath("populations.yaml").read_text(encoding="utf-8")
    site = tmp_path / "site.yaml"
    site.write_text(own.replace("logicle: {t: 262144, w: 0.5, m: 4.5, a: 0}", written))
    strategy = load_strategy(site)
    assert not isinstance(strategy.scale, Logicle)
    (file,) = facs.write(SampleTruth("PALBO-001", "BL", 0, 0.5), tmp_path, np.random.default_rng(3))
    sample = stained(read_fcs(tmp_path / file.file), strategy)
    found, tube = gate(sample, strategy), Tube(sample, strategy)
    members, expected = found["T"], tube.events("T")
    assert members is not None and expected is not None and np.array_equal(members, expected) and members.size > 100
    bound = strategy.scale.inverse(strategy.cuts["CD3"].fixed)
    assert (sample.of("CD3", members) >= float(bound)).all()


@pytest.mark.parametrize(
    "written", ["asinh: {cofactor: 0}", "asinh: {w: 1}", "", "asinh: {}\nlogicle: {t: 262144, w: 0.5, m: 4.5, a: 0}"]
)
def test_a_gating_without_one_sound_scale_is_refused(tmp_path: Path, written: str) -> None:
    own = files("palbo_assets.cytometry").joinpath("populations.yaml").read_text(encoding="utf-8")
    site = tmp_path / "site.yaml"
    site.write_text(own.replace("logicle: {t: 262144, w: 0.5, m: 4.5, a: 0}", written))
    with pytest.raises(ReferenceBundleError):
        load_strategy(site)
