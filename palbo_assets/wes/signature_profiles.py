"""Where the profiles of known signatures come from: the reference bundle, else the installed SigProfilerAssignment.

COSMIC's profiles aren't part of this package: their licence is free for academic use only. SigProfilerAssignment
carries them as text, renormalised to the trinucleotides of exomes; its files are read and nothing of it is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from palbo_assets.platform.errors import InputError
from palbo_assets.wes.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from palbo_assets.platform.references import ReferenceBundle

PACKAGE = "SigProfilerAssignment"
ENTRY = "signature_profiles"
BUILDS = {"grch38": "GRCh38", "hg38": "GRCh38", "grch37": "GRCh37", "hg19": "GRCh37"}
"""Names of builds, in lower case, and the folder of the package that holds their profiles."""
NO_PROFILES = "NO_PROFILES"
BUILD_MISMATCH = "E_BUILD_MISMATCH"


@dataclass(frozen=True)
class Profiles:
    """``frame`` (96 x k, columns sum to 1) of the wanted signatures and where it is from; None with a reason else."""

    frame: pd.DataFrame | None
    source: str
    reason: str | None = None


def installed_version() -> str:
    """Version of the installed package; empty without it."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return ""


def same_build(one: str, other: str) -> bool:
    """Whether two names mean one genome build; hg38 and GRCh38 do."""
    return BUILDS.get(one.lower(), one.lower()) == BUILDS.get(other.lower(), other.lower())


def find_profiles(bundle: ReferenceBundle, settings: Settings) -> Profiles:
    """The profiles that ``settings.signatures`` name, for the study's build.

    Raises
    ------
    InputError
        ``E_SCHEMA`` for a file that doesn't hold profiles or lacks a wanted one.
    """
    if ENTRY in bundle.entries:
        entry = bundle.entry(ENTRY)
        source = f"{entry.source or entry.file} {entry.version}".strip()
        if not same_build(entry.build, bundle.build):
            return Profiles(None, source, BUILD_MISMATCH)
        return Profiles(_chosen(bundle.path(ENTRY), settings), source)
    path = installed_file(bundle.build, settings.signature_version)
    if path is None:
        return Profiles(None, "", NO_PROFILES)
    source = (
        f"COSMIC {settings.signature_version} exome {BUILDS[bundle.build.lower()]}, {PACKAGE} {installed_version()}"
    )
    return Profiles(_chosen(path, settings), source)


def installed_file(build: str, version: str) -> Path | None:
    """COSMIC's exome profiles of a build in the installed package; None where it has none or isn't installed."""
    folder = BUILDS.get(build.lower())
    if folder is None or not installed_version():
        return None
    name = f"{PACKAGE}/data/Reference_Signatures/{folder}/COSMIC_{version}_SBS_{folder}_exome.txt"
    path = Path(str(metadata.distribution(PACKAGE).locate_file(name)))
    return path if path.is_file() else None


def _chosen(path: Path, settings: Settings) -> pd.DataFrame:
    from palbo_assets.wes.signatures import read_profiles

    frame = read_profiles(path)
    if not set(settings.signatures) <= set(frame.columns):
        raise InputError(
            "E_SCHEMA",
            "The profiles lack a signature that the settings name.",
            fix="Name signatures of this file (wes.signatures in settings.yaml), or give another file.",
            file=path.name,
        )
    return frame[list(settings.signatures)]
