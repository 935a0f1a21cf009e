"""The room's section of a site's settings: several models read it, and none lets a misspelling pass."""

from __future__ import annotations

from pathlib import Path

import pytest

import palbo_assets.definitions  # noqa: F401 - declares every product
from palbo_assets.platform.config import load_settings
from palbo_assets.platform.errors import PalboError
from palbo_assets.resistance.settings import PARTS, AcquiredSettings, ExtensionSettings, Section, Settings


def section(folder: Path, text: str) -> Path:
    file = folder / "settings.yaml"
    file.write_text(f"resistance: {{{text}}}\n")
    return file


@pytest.mark.parametrize("part", [*PARTS, Section], ids=lambda part: part.__name__)
def test_a_field_that_no_part_of_the_room_has_is_refused_by_every_part_with_the_name_that_was_meant(
    part: type[Section], tmp_path: Path
) -> None:
    with pytest.raises(PalboError, match=r"section resistance: .*no field min_powr; is min_power meant") as refused:
        load_settings(part, "resistance", section(tmp_path, "min_powr: 0.9"))
    assert refused.value.code == "E_SETTINGS"


def test_each_part_takes_its_own_fields_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    file = section(tmp_path, "min_power: 0.9, artefact_vaf: 0.2, probe_flank: 80")
    assert load_settings(Settings, "resistance", file).min_power == 0.9
    acquired = load_settings(AcquiredSettings, "resistance", file)
    assert (acquired.min_power, acquired.artefact_vaf) == (0.9, 0.2)
    assert load_settings(ExtensionSettings, "resistance", file) == ExtensionSettings(probe_flank=80)
