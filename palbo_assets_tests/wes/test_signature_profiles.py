"""Profiles come from the bundle, else from the installed package; those of another build are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from palbo_assets.platform.errors import InputError
from palbo_assets.platform.references import ReferenceBundle, write_bundle
from palbo_assets.wes import signature_profiles
from palbo_assets.wes.settings import Settings
from palbo_assets.wes.signature_profiles import find_profiles, installed_file, installed_version
from palbo_assets.wes.trinucleotides import CLASSES

TWO = Settings(signatures=("a", "b"), apobec_signatures=("a",))
needs_package = pytest.mark.skipif(not installed_version(), reason="SigProfilerAssignment isn't installed")


def bundle(folder: Path, build: str = "GRCh38", of_entry: str = "GRCh38") -> ReferenceBundle:
    frame = pd.DataFrame({name: np.full(96, 1 / 96) for name in "abc"}, index=list(CLASSES))
    frame.to_csv(folder / "profiles.tsv", sep="\t", index_label="Type")
    entry = {"name": "signature_profiles", "file": "profiles.tsv", "version": "7", "source": "lab", "build": of_entry}
    write_bundle(folder, build, [{**entry, "licence": "CC0-1.0"}])
    return ReferenceBundle.load(folder)


def test_the_bundles_own_file_is_taken_and_named(tmp_path: Path) -> None:
    found = find_profiles(bundle(tmp_path, "hg38"), TWO)
    assert found.frame is not None and list(found.frame) == ["a", "b"]
    assert (found.source, found.reason) == ("lab 7", None)


def test_profiles_of_another_build_are_refused_with_the_reason(tmp_path: Path) -> None:
    found = find_profiles(bundle(tmp_path, "GRCh38", "GRCh37"), TWO)
    assert (found.frame, found.reason) == (None, "E_BUILD_MISMATCH")


def test_a_file_without_a_wanted_signature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_profiles(bundle(tmp_path), Settings(signatures=("a", "d"), apobec_signatures=("a",)))
    assert caught.value.code == "E_SCHEMA"


def test_without_bundle_and_package_there_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_profiles, "PACKAGE", "no-such-package")
    found = find_profiles(ReferenceBundle(tmp_path, "GRCh38", {}), Settings())
    assert (found.frame, found.reason) == (None, "NO_PROFILES")


@needs_package
def test_a_genome_that_cosmic_has_no_profiles_for_has_none(tmp_path: Path) -> None:
    assert find_profiles(ReferenceBundle(tmp_path, "twin-mini", {}), Settings()).reason == "NO_PROFILES"


@needs_package
def test_cosmic_is_read_from_the_package_without_importing_it(tmp_path: Path) -> None:
    found = find_profiles(ReferenceBundle(tmp_path, "hg38", {}), Settings())
    assert found.frame is not None and list(found.frame) == list(Settings().signatures)
    assert found.source.startswith("COSMIC v3.4 exome GRCh38, SigProfilerAssignment ")
    assert "SigProfilerAssignment" not in sys.modules
    # Rounded values that anybody may look up: the largest classes of SBS2 and SBS13 in exomes.
    assert found.frame["SBS2"].idxmax() == "T[C>T]A" and found.frame["SBS13"].idxmax() == "T[C>G]T"
    assert found.frame.loc["T[C>T]A", "SBS2"] == pytest.approx(0.479, abs=0.001)


@needs_package
def test_builds_have_profiles_of_their_own() -> None:
    assert installed_file("GRCh37", "v3.4") != installed_file("hg38", "v3.4")
    assert installed_file("GRCh38", "v0") is None
