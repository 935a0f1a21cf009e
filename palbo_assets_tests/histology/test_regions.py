"""Annotations restrict what is scored: QuPath's GeoJSON, ASAP's XML, holes, exclusions, and files that are neither."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palbo_assets.demo import slides
from palbo_assets.histology import regions
from palbo_assets.histology.assets import _annotations_of
from palbo_assets.histology.classifier import Training
from palbo_assets.histology.formats import verify_annotations
from palbo_assets.histology.regions import Regions
from palbo_assets.histology.score import score
from palbo_assets.histology.settings import SlideSettings
from palbo_assets.histology.slide import Field
from palbo_assets.platform.errors import InputError
from palbo_assets.platform.formats import Claim, Context

FIELD = SlideSettings(min_scored_mm2=0.02, min_nuclei=20)


def _square(left: float, top: float, edge: float) -> list[list[float]]:
    return [[left, top], [left + edge, top], [left + edge, top + edge], [left, top + edge], [left, top]]


def _qupath(path: Path, *features: tuple[list[list[list[float]]], str | None]) -> Path:
    content = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": rings},
            "properties": {"objectType": "annotation"} | ({"classification": {"name": name}} if name else {}),
        }
        for rings, name in features
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": content}))
    return path


def _asap(path: Path, *squares: tuple[list[list[float]], str]) -> Path:
    lines = [
        f'<Annotation Name="A" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58"><Coordinates>'
        + "".join(f'<Coordinate Order="{k}" X="{x}" Y="{y}" />' for k, (x, y) in enumerate(ring))
        + "</Coordinates></Annotation>"
        for ring, group in squares
    ]
    head = '<?xml version="1.0"?><ASAP_Annotations><Annotations>'
    path.write_text(head + "".join(lines) + "</Annotations><AnnotationGroups/></ASAP_Annotations>")
    return path


def test_a_square_with_a_hole_and_an_excluded_corner_has_the_area_that_was_drawn(tmp_path: Path) -> None:
    path = _qupath(
        tmp_path / "a.geojson",
        ([_square(100, 100, 800), _square(300, 300, 200)], "Tumor"),
        ([_square(700, 700, 200)], "Necrosis"),
    )
    mask = Regions(regions.read(path), 0.5).mask(0, 0, 125, 125, 4.0)  # 1000 px of 0.5 um, cells of 4 um
    assert mask.sum() * 16 == pytest.approx((800**2 - 200**2 - 200**2) * 0.25, rel=0.05)
    assert mask[20, 20] and not mask[50, 50] and not mask[100, 100] and not mask[5, 5]


def test_both_programs_draw_the_same_region(tmp_path: Path) -> None:
    qupath = _qupath(tmp_path / "a.geojson", ([_square(100, 200, 500)], None), ([_square(200, 300, 100)], "Ignore*"))
    asap = _asap(tmp_path / "a.xml", (_square(100, 200, 500), "Tumor"), (_square(200, 300, 100), "exclude"))
    masks = [Regions(regions.read(path), 0.25).mask(0, 0, 200, 200, 1.0) for path in (qupath, asap)]
    assert (masks[0] == masks[1]).all() and masks[0].any()


def test_a_mask_of_a_part_is_the_part_of_the_mask(tmp_path: Path) -> None:
    drawn = Regions(regions.read(_qupath(tmp_path / "a.geojson", ([_square(130, 70, 640)], None))), 0.5)
    whole = drawn.mask(0, 0, 128, 128, 4.0)
    np.testing.assert_array_equal(drawn.mask(256, 128, 64, 64, 4.0), whole[32:96, 64:128])


def test_only_exclusions_leave_the_rest_in(tmp_path: Path) -> None:
    drawn = Regions(regions.read(_qupath(tmp_path / "a.geojson", ([_square(0, 0, 100)], "DCIS"))), 1.0)
    mask = drawn.mask(0, 0, 20, 20, 10.0)
    assert not mask[:9, :9].any() and mask[12:].all()


def test_the_score_is_that_of_the_annotated_half(tmp_path: Path, training: Training) -> None:
    rich = slides.render(50, np.random.default_rng(1), size_px=1024)
    poor = slides.render(5, np.random.default_rng(2), size_px=1024)
    field = Field(np.hstack([rich, poor]), 0.5)
    left = Regions(regions.read(_qupath(tmp_path / "l.geojson", ([_square(0, 0, 1024)], "Tumor"))), 0.5)
    right = Regions(regions.read(_asap(tmp_path / "r.xml", (_square(1024, 0, 1024), "Tumor"))), 0.5)
    high, low = (score(field, training.model, FIELD, regions=drawn) for drawn in (left, right))
    both = score(field, training.model, FIELD)
    assert high.stil_area_pct == pytest.approx(50, abs=8) and low.stil_area_pct == pytest.approx(5, abs=4)
    assert high.tissue_mm2 + low.tissue_mm2 == pytest.approx(both.tissue_mm2, rel=0.02)
    assert high.n_nuclei + low.n_nuclei == pytest.approx(both.n_nuclei, rel=0.03)


def test_annotations_of_another_slide_are_refused(tmp_path: Path) -> None:
    drawn = Regions(regions.read(_qupath(tmp_path / "a.geojson", ([_square(5000, 5000, 500)], None))), 0.5)
    drawn.check_within((6000, 6000), "a.geojson")
    with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):
        drawn.check_within((2000, 2000), "a.geojson")


def test_real_qupath_files_enclose_areas_and_points_and_lines_are_refused(shared_data: Path) -> None:
    found = {}
    for path in sorted((shared_data / "he_til/qupath_geojson").glob("*.json")):
        try:
            found[path.stem.removeprefix("qupath-")] = verify_annotations(
                path, Claim(path.name, "he_slide"), Context()
            )["regions"]
        except InputError as error:
            assert error.code == "E_SCHEMA"
            found[path.stem.removeprefix("qupath-")] = 0
    assert {name for name, n in found.items() if n} == {"brush", "ellipse", "polygon", "rectangle", "wand"}
    assert {name for name, n in found.items() if not n} == {"line", "multipoint", "point", "polyline"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "[1]",
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], ["x", 1], [2, 2]]]}}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": []}}',
        '{"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": 3}}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, NaN], [2, 2]]]}}',
        "<html></html>",
        '<!DOCTYPE a [<!ENTITY b "c">]><ASAP_Annotations>&b;</ASAP_Annotations>',
        "<ASAP_Annotations>",
    ],
)
def test_what_is_no_annotation_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match="E_SCHEMA"):
        verify_annotations(path, Claim("a.json", "he_slide"), Context())


@given(st.text(max_size=200), st.sampled_from(["", "<", "[", '{"features": ']))
def test_any_text_gives_polygons_or_a_clear_refusal(
    tmp_path_factory: pytest.TempPathFactory, text: str, start: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.json"
    path.write_text(start + text, encoding="utf-8", errors="replace")
    with pytest.raises(InputError):
        verify_annotations(path, Claim("a.json", "he_slide"), Context())


class _File:
    def __init__(self, name: str) -> None:
        self.path = Path(name)


def test_annotations_belong_to_the_slide_they_are_named_after() -> None:
    first, second = _File("S1.svs"), _File("S2.svs")
    one, two = _File("S1.geojson"), _File("S2.xml")
    assert _annotations_of(first, [first, second], [one, two]) is one
    assert _annotations_of(second, [first, second], [one, two]) is two
    assert _annotations_of(second, [first, second], [one]) is None
    assert _annotations_of(first, [first], [_File("regions.geojson")]).path.name == "regions.geojson"
    assert _annotations_of(first, [first], []) is None


def test_annotations_that_fit_no_slide_by_name_are_refused() -> None:
    first, second = _File("S1.svs"), _File("S2.svs")
    with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):  # it would be lost in silence
        _annotations_of(first, [first, second], [_File("S1.geojson"), _File("b.geojson")])
    with pytest.raises(InputError, match="E_SAMPLE_MISMATCH"):
        _annotations_of(first, [first], [_File("a.geojson"), _File("b.geojson")])
