"""Write the twin: the reference bundle, every lab's deliveries with manifests, the planted faults, and the truth.

Labs deliver in their own folders as they would: one sequencing delivery a patient and timepoint, plates and scoring
tables for many patients, one clinical export. ``truth.json`` lies apart from the landing zone; only tests and the
demo's own summary read it.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palbo_assets.demo import course
from palbo_assets.demo.truth import PatientTruth, SampleTruth, WrittenFile
from palbo_assets.platform.config import Home
from palbo_assets.platform.errors import PalboError
from palbo_assets.platform.references import write_bundle
from palbo_assets.platform.store import file_sha256
from palbo_assets.study.protocol import Protocol, load_protocol

if TYPE_CHECKING:
    import numpy as np

    from palbo_assets.demo.genome import MiniGenome

MANIFEST_COLUMNS = (
    "file", "modality", "patient_id", "timepoint", "specimen_id", "sha256", "role", "sample_name", "genome_build",
    "panel_version",
)  # fmt: skip
PANEL_VERSION = "v1"
MARKER = "twin.json"


@dataclass(frozen=True)
class Fault:
    """One planted fault: the file that carries it, and the code by which the platform must catch it.

    ``caught_by`` is ``receipt`` (the landing's verdict on the file) or the product whose check finds it.
    """

    name: str
    file: str
    code: str
    caught_by: str
    patient_id: str = ""
    timepoint: str = ""


@dataclass(frozen=True)
class Twin:
    """What was written."""

    truth_file: Path
    n_files: int
    n_deliveries: int


class _Deliveries:
    """Collects files into deliveries; the manifest of each is written last, as labs are asked to do."""

    def __init__(self, landing: Path) -> None:
        self.landing = landing
        self.rows: dict[Path, list[WrittenFile]] = {}

    def add(self, lab: str, name: str, write: Callable[[Path], Iterable[WrittenFile]]) -> list[WrittenFile]:
        folder = self.landing / lab / name
        folder.mkdir(parents=True, exist_ok=True)
        written = list(write(folder))
        self.rows.setdefault(folder, []).extend(written)
        return written

    def write_manifests(self) -> None:
        for folder, rows in self.rows.items():
            staging = folder / ".delivery.csv.part"
            with staging.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, MANIFEST_COLUMNS, lineterminator="\n")
                writer.writeheader()
                for row in rows:
                    writer.writerow({**asdict(row), "sha256": file_sha256(folder / row.file)})
            staging.replace(folder / "delivery.csv")


def write_twin(home: Home, *, patients: int = course.SCRIPTED, seed: int = 7) -> Twin:
    """Write the twin into an installation's landing zone and reference folder.

    The same numbers write the same bytes. An installation that holds another twin or a trial's files is refused.

    Raises
    ------
    PalboError
        ``E_DEMO`` when there are fewer patients than scripted ones, or when the landing zone already holds files.
    """
    import numpy as np

    from palbo_assets.demo import apobec, facs
    from palbo_assets.demo.genome import build_genome

    if patients < course.SCRIPTED:
        raise PalboError("E_DEMO", f"the twin needs at least {course.SCRIPTED} patients", fix="raise --patients")
    home.create()
    wanted = {"patients": patients, "seed": seed}
    marker = home.root / MARKER
    if marker.is_file():
        known = json.loads(marker.read_text(encoding="utf-8"))
        if {name: known[name] for name in wanted} != wanted:
            raise PalboError(
                "E_DEMO",
                f"{home.root} already holds a twin of {known['patients']} patients, seed {known['seed']}",
                fix="remove that folder, or set PALBO_HOME to another one",
            )
        return Twin(home.root / "truth.json", known["n_files"], known["n_deliveries"])
    if any(home.landing.iterdir()):
        raise PalboError(
            "E_DEMO", "the landing zone already holds files", fix="set PALBO_HOME to an empty folder for the demo"
        )
    rng = np.random.default_rng(seed)
    genome = build_genome(home.reference, seed)
    people = course.patients(patients, genome, rng, facs.HEALTHY_PCT_PARENT)
    deliveries = _Deliveries(home.landing)
    faults = _write_deliveries(deliveries, people, genome, load_protocol(), rng, home.root / "demo-scratch")
    _write_reference(home.reference, genome)
    apobec.write_settings(home.settings_file)
    shutil.rmtree(home.root / "demo-scratch", ignore_errors=True)
    deliveries.write_manifests()
    n_files = sum(len(rows) for rows in deliveries.rows.values())
    truth = {
        **wanted,
        "patients_truth": [asdict(patient) for patient in people],
        "transitions": course.expected_transitions(people),
        "on_treatment": course.expected_on_treatment(),
        "faults": [asdict(fault) for fault in faults],
    }
    truth_file = home.root / "truth.json"
    truth_file.write_text(json.dumps(truth, indent=1, sort_keys=True), encoding="utf-8")
    marker.write_text(
        json.dumps({**wanted, "n_files": n_files, "n_deliveries": len(deliveries.rows)}), encoding="utf-8"
    )
    return Twin(truth_file, n_files, len(deliveries.rows))


def _write_reference(folder: Path, genome: MiniGenome) -> None:
    from palbo_assets.demo import apobec, ctdna, rnaseq

    entries = [
        *_genome_entries(genome),
        *apobec.reference_entries(folder),
        *rnaseq.reference_entries(folder),
        *ctdna.reference_entries(genome, folder),
    ]
    write_bundle(
        folder,
        genome.build,
        (
            {
                "name": entry["name"],
                "file": Path(entry.get("path") or entry["file"]).name,
                "version": entry.get("version", ""),
                "build": entry.get("build") or genome.build,
                "licence": entry.get("licence", ""),
                "source": entry.get("source", ""),
            }
            for entry in entries
        ),
    )


def _genome_entries(genome: MiniGenome) -> list[dict[str, str]]:
    files = {
        "genome_fasta": genome.fasta,
        "genes_gff3": genome.gff3,
        "transcripts": genome.transcripts,
        "target_bed": genome.target_bed,
        "snp_bed": genome.snp_bed,
        "hotspots": genome.hotspots,
    }
    return [
        {"name": name, "path": str(path), "licence": "CC0-1.0", "source": "synthetic genome of the twin"}
        for name, path in files.items()
    ]


def _write_deliveries(
    deliveries: _Deliveries,
    people: Sequence[PatientTruth],
    genome: MiniGenome,
    protocol: Protocol,
    rng: np.random.Generator,
    scratch: Path,
) -> list[Fault]:
    planned = _Planned(people, protocol)
    faults = [
        *_write_exomes(deliveries, planned, genome, rng),
        *_write_expression(deliveries, planned, rng, scratch),
        *_write_plasma(deliveries, planned, genome, rng),
        *_write_slides(deliveries, planned, rng),
        *_write_stains(deliveries, planned, rng),
        *_write_serum(deliveries, planned, rng),
        *_write_cytometry(deliveries, planned, rng),
    ]
    from palbo_assets.demo import clinical

    deliveries.add("clinic", "export-01", partial(clinical.write, list(people), rng=rng))
    _write_rna_alignments(deliveries, planned, genome, rng)
    deliveries.add("statistics", "analysis-01", partial(clinical.write_analyses, list(people)))
    withdrawn = [patient.patient_id for patient in people if patient.withdrawn]
    faults += [Fault("withdrawn patient", "", "E_CONSENT", "receipt", patient_id=name) for name in withdrawn]
    return faults


def _single(write: Callable[[Path], WrittenFile], folder: Path) -> list[WrittenFile]:
    return [write(folder)]


class _Planned:
    """Which samples the protocol plans for an assay, among those that exist."""

    def __init__(self, people: Sequence[PatientTruth], protocol: Protocol) -> None:
        self.people = {patient.patient_id: patient for patient in people}
        self.protocol = protocol

    def samples(self, assay: str) -> list[tuple[PatientTruth, SampleTruth]]:
        return [
            (patient, sample)
            for patient in self.people.values()
            for timepoint, sample in patient.samples.items()
            if self.protocol.expected(set(patient.cohorts), assay, timepoint)
        ]

    def truths(self, assay: str) -> list[SampleTruth]:
        return [sample for _, sample in self.samples(assay)]


def _write_exomes(
    deliveries: _Deliveries, planned: _Planned, genome: MiniGenome, rng: np.random.Generator
) -> list[Fault]:
    """One delivery a biopsy; baseline's carries the blood. Three of them are faulty, as the returned list says."""
    from palbo_assets.demo import copy_number, wes

    tools = course.segment_tools()
    swapped = {course.patient_id(6): course.patient_id(7), course.patient_id(7): course.patient_id(6)}
    faults = []
    for patient, sample in planned.samples("wes_tumour"):
        name = f"wes-{sample.patient_id}-{sample.timepoint}"
        at = (sample.patient_id, sample.timepoint)
        if at == (course.patient_id(10), "PD"):
            written = deliveries.add(
                "sequencing", name, partial(_single, partial(wes.write_on_hg19, sample, patient, genome, rng=rng))
            )
            faults.append(_fault("hg19 file", written[0], "E_BUILD_MISMATCH"))
            continue
        if sample.patient_id in swapped and sample.timepoint == "PD":
            donor = planned.people[swapped[sample.patient_id]]
            deliveries.add(
                "sequencing",
                name,
                partial(_mislabelled, donor.samples["PD"], donor, sample, genome, rng=rng),
            )
            faults.append(Fault("swapped pair", "", "E_IDENTITY_MISMATCH", "sample_identity", sample.patient_id, "PD"))
            continue
        written = deliveries.add(
            "sequencing",
            name,
            partial(wes.write, sample, patient, genome, rng=rng, germline=sample.timepoint == "BL"),
        )
        if sample.patient_id in tools:
            # Draws of its own: whether segments come doesn't change any read.
            [own] = rng.spawn(1)
            write_segments = partial(copy_number.write, sample, genome, tool=tools[sample.patient_id], rng=own)
            deliveries.add("sequencing", name, write_segments)
        if at == (course.patient_id(11), "BL"):
            tumour = next(row for row in written if row.role == "tumour_bam")
            wes.truncate(deliveries.landing / "sequencing" / name / tumour.file)
            faults.append(_fault("truncated BAM", tumour, "E_TRUNCATED"))
    return faults


def _mislabelled(
    donor_sample: SampleTruth,
    donor: PatientTruth,
    label: SampleTruth,
    genome: MiniGenome,
    folder: Path,
    rng: np.random.Generator,
) -> list[WrittenFile]:
    """The donor's tumour under the label's name everywhere (file, read group, manifest), as a swapped tube gives."""
    from palbo_assets.demo.wes import write

    relabelled = replace(donor_sample, patient_id=label.patient_id, timepoint=label.timepoint)
    return write(relabelled, donor, genome, folder, rng, germline=False)


def _write_expression(
    deliveries: _Deliveries, planned: _Planned, rng: np.random.Generator, scratch: Path
) -> list[Fault]:
    """Two rounds of sequencing; one specimen's table of the first round is wrong and corrected by the second."""
    from palbo_assets.demo import rnaseq

    faults = []
    deliveries.add("rna", "rna-01", rnaseq.write_tx2gene)
    for _, sample in planned.samples("rnaseq"):
        written = deliveries.add("rna", "rna-01", partial(rnaseq.write, sample, rng=rng))
        if (sample.patient_id, sample.timepoint) == (course.patient_id(5), "BL"):
            corrected = deliveries.add("rna", "rna-02", partial(rnaseq.write, sample, rng=rng))
            faults.append(_fault("corrected file", written[0], "W_SUPERSEDED"))
            assert corrected[0].specimen_id == written[0].specimen_id
    return faults


def _write_rna_alignments(
    deliveries: _Deliveries, planned: _Planned, genome: MiniGenome, rng: np.random.Generator
) -> None:
    """Two patients' RNA reads, by which they are told from others; drawn last and from a stream of their own."""
    from palbo_assets.demo import rna_alignments

    [own] = rng.spawn(1)
    for patient, sample in planned.samples("rnaseq"):
        if sample.patient_id in (course.patient_id(1), course.patient_id(2)):
            write = partial(rna_alignments.write, sample, patient, genome, rng=own)
            deliveries.add("rna", "rna-reads-01", partial(_single, write))


def _write_plasma(
    deliveries: _Deliveries, planned: _Planned, genome: MiniGenome, rng: np.random.Generator
) -> list[Fault]:
    from palbo_assets.demo import ctdna, healthy_plasma, plasma_controls

    panel = deliveries.add(
        "plasma", "panel-v1", partial(_single, partial(ctdna.write_panel, genome, version=PANEL_VERSION))
    )
    bed = deliveries.landing / "plasma" / "panel-v1" / panel[0].file
    # Donors draw from a stream of their own: what follows stays as it is without them.
    deliveries.add("plasma", "healthy-01", partial(healthy_plasma.write, genome, bed, rng=rng.spawn(1)[0]))
    deliveries.add("plasma", "controls-01", partial(plasma_controls.write, genome, bed, rng=rng.spawn(1)[0]))
    for patient, sample in planned.samples("ctdna"):
        # One plasma comes before consensus; its molecules are called here.
        early = (sample.patient_id, sample.timepoint) == (course.patient_id(2), "PD")
        raw: dict[str, Any] = {"unique_depth": 1700, "raw_family": 5} if early else {}
        deliveries.add(
            "plasma",
            f"plasma-{sample.patient_id}-{sample.timepoint}",
            partial(ctdna.write, sample, patient, genome, bed, rng=rng, **raw),
        )
    deliveries.add(
        "plasma", "wet-lab-01", partial(_single, partial(ctdna.write_wet_lab, planned.truths("ctdna"), rng=rng))
    )
    return []


def _write_slides(deliveries: _Deliveries, planned: _Planned, rng: np.random.Generator) -> list[Fault]:
    """All slides, then one of them a second time in another delivery."""
    from palbo_assets.demo import slides

    faults = []
    for _, sample in planned.samples("he_til"):
        written = deliveries.add("pathology", "slides-01", partial(slides.write, sample, rng=rng))
        if sample.patient_id == course.patient_id(9):
            first = deliveries.landing / "pathology" / "slides-01" / written[0].file
            again = deliveries.add("pathology", "slides-02", partial(_copied, first, written[0]))
            faults.append(_fault("duplicate", again[0], "W_DUPLICATE"))
    return faults


def _copied(source: Path, row: WrittenFile, folder: Path) -> list[WrittenFile]:
    shutil.copyfile(source, folder / f"again-{source.name}")
    return [replace(row, file=f"again-{source.name}")]


def _write_stains(deliveries: _Deliveries, planned: _Planned, rng: np.random.Generator) -> list[Fault]:
    """Two scoring tables; the second comes from a Korean spreadsheet (CP949), which is not an error."""
    from palbo_assets.demo import ihc

    samples = planned.truths("til_marker_ihc")
    half = len(samples) // 2
    deliveries.add("pathology", "ihc-01", partial(ihc.write, samples[:half], rng=rng, name="ihc-01"))
    written = deliveries.add(
        "pathology", "ihc-02", partial(ihc.write_in_korean, samples[half:], rng=rng, name="ihc-02")
    )
    # A stream of its own: what is drawn after stays as it was.
    deliveries.add("pathology", "ihc-images", partial(ihc.write_image, samples[0], rng=rng.spawn(1)[0]))
    return [_fault("CP949 table", written[0], "ACCEPTED")]


def _write_serum(deliveries: _Deliveries, planned: _Planned, rng: np.random.Generator) -> list[Fault]:
    """One good plate, and one on which only blanks were read."""
    from palbo_assets.demo import elisa

    bad = {course.patient_id(10)}
    samples = planned.truths("nrg1_elisa")
    good = [sample for sample in samples if sample.patient_id not in bad]
    for number, first in enumerate(range(0, len(good), elisa.SPECIMENS_PER_PLATE), start=1):
        plate = good[first : first + elisa.SPECIMENS_PER_PLATE]
        deliveries.add(
            "immunology",
            f"elisa-{number:02d}",
            partial(elisa.write_plate, plate, rng=rng, plate_id=f"NRG1-{number:02d}"),
        )
    written = deliveries.add(
        "immunology", "elisa-blank", partial(elisa.write_blank_only_plate, rng=rng, plate_id="NRG1-BLANK")
    )
    return [_fault("blank-only plate", next(row for row in written if row.role == "plate"), "E_NO_STANDARDS")]


def _write_cytometry(deliveries: _Deliveries, planned: _Planned, rng: np.random.Generator) -> list[Fault]:
    """Blood of the on-treatment cohort; one tube was never stained, one has beads, one comes with all its controls."""
    from palbo_assets.demo import facs

    faults = []
    with_beads, with_controls = (course.patient_id(4), "W06"), (course.patient_id(4), "W12")
    beads = {with_beads: 2_000}
    for _, sample in planned.samples("facs"):
        name = f"facs-{sample.patient_id}-{sample.timepoint}"
        if (sample.patient_id, sample.timepoint) == (course.patient_id(5), "W12"):
            written = deliveries.add("immunology", name, partial(facs.write_unstained, sample, rng=rng))
            faults.append(_fault("unstained FCS", written[0], "E_UNSTAINED"))
            continue
        at = (sample.patient_id, sample.timepoint)
        inside = at != with_controls
        tube = partial(facs.write, sample, rng=rng, spill_inside=inside, beads=beads.get(at, 0))
        deliveries.add("immunology", name, tube)
        if not inside:
            deliveries.add("immunology", name, partial(facs.write_controls, sample, rng=rng.spawn(1)[0]))
    deliveries.add("immunology", "cbc-01", partial(facs.write_cbc, planned.truths("facs"), rng=rng, beads=beads))
    return faults


def _fault(name: str, written: WrittenFile, code: str) -> Fault:
    return Fault(name, written.file, code, "receipt", written.patient_id, written.timepoint)
