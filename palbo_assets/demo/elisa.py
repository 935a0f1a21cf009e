"""Raw files of the neuregulin-1 ELISA: the SoftMax Pro export of a plate and its layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from palbo_assets.demo.truth import SampleTruth, WrittenFile

# A sandwich assay with an undiluted range of 15.6 to 1,000 pg/mL; specimens run 1:4, as serum does.
STANDARDS = (1000.0, 500.0, 250.0, 125.0, 62.5, 31.25, 15.625)
CONTROLS = {"QC_L": 50.0, "QC_M": 200.0, "QC_H": 600.0}
DILUTION = 4.0
SPECIMENS_PER_PLATE = 36
BRIDGE, BRIDGE_PG_ML = "POOL-01", 880.0  # one pooled serum on every plate, at the specimens' dilution
_A, _B, _C, _D = 0.012, 1.08, 900.0, 4.4  # 4PL above the plastic; mid-point in pg/mL
_PLASTIC_450, _PLASTIC_570 = 0.055, 0.038
_READ_CV = 0.03  # well-to-well coefficient of variation of a careful technician
_READ_SD = 0.002  # [OD] noise of the reader


def write_plate(
    samples: Sequence[SampleTruth], folder: Path, rng: np.random.Generator, plate_id: str
) -> list[WrittenFile]:
    """One plate, all in duplicate: seven standards, blanks, quality controls, each sample, and the bridge serum.

    Give all timepoints of a patient to the same plate (they are laid side by side); at most `SPECIMENS_PER_PLATE`.

    Returns
    -------
    list of WrittenFile
        The export (role ``plate``) and its layout; both name the plate in ``sample_name``.
    """
    if len(samples) > SPECIMENS_PER_PLATE:
        raise ValueError(f"a plate holds {SPECIMENS_PER_PLATE} specimens in duplicate, not {len(samples)}")
    ordered = sorted(samples, key=lambda sample: (sample.patient_id, sample.day))
    doses: list[tuple[dict[str, str], float | None]] = []
    for nominal in STANDARDS:
        doses += [({"role": "STD", "nominal_conc": f"{nominal:g}"}, nominal)] * 2
    doses += [({"role": "BLK"}, None)] * 2
    for role, nominal in CONTROLS.items():
        doses += [({"role": role, "nominal_conc": f"{nominal:g}", "dilution": "1"}, nominal)] * 2
    for sample in ordered:
        cells = {
            "role": "UNK",
            "specimen_id": specimen_id(sample),
            "patient_id": sample.patient_id,
            "timepoint": sample.timepoint,
            "dilution": f"{DILUTION:g}",
        }
        doses += [(cells, sample.nrg1_pg_ml / DILUTION)] * 2
    bridge = {"role": "BRG", "specimen_id": BRIDGE, "dilution": f"{DILUTION:g}"}
    doses += [(bridge, BRIDGE_PG_ML / DILUTION)] * 2
    wells = _wells_in_pairs()[: len(doses)]
    layout = [
        cells | {"plate_id": plate_id, "well": well, "replicate": str(1 + index % 2)}
        for index, (well, (cells, _)) in enumerate(zip(wells, doses, strict=True))
    ]
    ods = {well: _absorbance(dose, rng) for well, (_, dose) in zip(wells, doses, strict=True)}
    return _write(folder, plate_id, layout, ods, rng)


def write_blank_only_plate(folder: Path, rng: np.random.Generator, plate_id: str) -> list[WrittenFile]:
    """A planted fault: the reader's export of an empty plate, delivered with an assay's layout."""
    wells = _wells_in_pairs()
    roles = [({"role": "STD", "nominal_conc": f"{nominal:g}"}) for nominal in STANDARDS for _ in range(2)]
    roles += [{"role": "BLK"}] * 2
    patient = {
        "role": "UNK",
        "specimen_id": f"{plate_id}-S1",
        "patient_id": "PALBO-999",
        "timepoint": "BL",
        "dilution": "4",
    }
    roles += [patient] * 2
    layout = [
        cells | {"plate_id": plate_id, "well": well, "replicate": str(1 + index % 2)}
        for index, (well, cells) in enumerate(zip(wells, roles, strict=False))
    ]
    return _write(folder, plate_id, layout, {well: _absorbance(None, rng) for well in wells}, rng)


def specimen_id(sample: SampleTruth) -> str:
    """The serum tube's name."""
    return f"{sample.patient_id}-{sample.timepoint}-SER"


def _wells_in_pairs() -> list[str]:
    """A1, A2, B1, B2, ...: duplicates side by side, down the columns."""
    return [f"{row}{column + side}" for column in range(1, 13, 2) for row in "ABCDEFGH" for side in (0, 1)]


def _absorbance(dose: float | None, rng: np.random.Generator) -> float:
    """Absorbance above the plastic [OD] of a well that holds ``dose`` pg/mL; None is a blank."""
    signal = 0.0 if dose is None else _D + (_A - _D) / (1.0 + (dose / _C) ** _B)
    return float(signal * rng.normal(1.0, _READ_CV) + rng.normal(0.0, _READ_SD))


def _write(
    folder: Path,
    plate_id: str,
    layout: Sequence[Mapping[str, str]],
    ods: Mapping[str, float],
    rng: np.random.Generator,
) -> list[WrittenFile]:
    folder.mkdir(parents=True, exist_ok=True)
    wells = [f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13)]
    plastic = {nm: rng.normal(level, 0.0015, len(wells)) for nm, level in ((450, _PLASTIC_450), (570, _PLASTIC_570))}
    reads = {
        450: [f"{plastic[450][i] + ods.get(well, 0.0):.4f}" for i, well in enumerate(wells)],
        570: [f"{plastic[570][i]:.4f}" for i, well in enumerate(wells)],
    }
    head = [
        "Plate:", "Plate1", "1.3", "TimeFormat", "Endpoint", "Absorbance", "Raw", "FALSE", "1",
        *[""] * 6, "2", "450 570 ", "1", "12", "96", "1", "8", "", "", "",
    ]  # fmt: skip
    lines = ["##BLOCKS= 1", "\t".join(head), "\t".join(["", "Temperature(°C)", *wells, ""])]
    for values in reads.values():
        lines += ["\t".join(["", "24.1", *values, ""]), ""]
    lines += ["~End", "Original Filename: assay; Date Last Saved: -", ""]
    export = folder / f"{plate_id}.txt"
    export.write_bytes("\r\n".join(lines).encode("utf-16"))
    columns = (
        "plate_id",
        "well",
        "role",
        "specimen_id",
        "patient_id",
        "timepoint",
        "nominal_conc",
        "dilution",
        "replicate",
    )
    rows = [",".join(columns), *(",".join(cells.get(column, "") for column in columns) for cells in layout)]
    plan = folder / f"{plate_id}_layout.csv"
    plan.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return [
        WrittenFile(export.name, "elisa", "plate", sample_name=plate_id),
        WrittenFile(plan.name, "elisa", "layout", sample_name=plate_id),
    ]
