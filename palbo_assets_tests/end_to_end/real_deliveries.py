"""An installation in a temporary folder, and deliveries of real files into its landing zone."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from palbo_assets.ingest import RunResult, coarse_first, execute_run, prepare
from palbo_assets.landing.intake import take_in
from palbo_assets.landing.report import ScanReport
from palbo_assets.landing.resource import LandingResource
from palbo_assets.landing.sensor import arrivals, due_hash
from palbo_assets.platform.config import Home
from palbo_assets.platform.planning import Run
from palbo_assets.platform.product import SPECS
from palbo_assets.platform.references import write_bundle
from palbo_assets.platform.resources import InstallationResource
from palbo_assets.schema import whole_schema

COLUMNS = (
    "file", "modality", "patient_id", "timepoint", "specimen_id", "sha256", "role", "sample_name", "genome_build",
    "panel_version",
)  # fmt: skip
MAX_PASSES = 8


@dataclass(frozen=True)
class Sent:
    """One file of a delivery: its content (a real file, or text that a lab would write beside it) and its row.

    ``name`` is the file's name in the delivery; empty for the name that it already has.
    """

    content: Path | str | bytes
    modality: str
    patient_id: str = ""
    timepoint: str = ""
    specimen_id: str = ""
    name: str = ""
    row: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return self.name or (self.content.name if isinstance(self.content, Path) else "")

    def write(self, folder: Path) -> str:
        """Put the file into the delivery; its sha256."""
        target = folder / self.file
        if isinstance(self.content, Path):
            shutil.copyfile(self.content, target)
        else:
            target.write_bytes(self.content.encode("utf-8") if isinstance(self.content, str) else self.content)
        return hashlib.sha256(target.read_bytes()).hexdigest()


class Site:
    """An installation with its reference bundle, worked as ``palbo ingest`` works it, but in this process."""

    def __init__(self, root: Path, *, build: str = "", references: Mapping[str, Path] | None = None) -> None:
        self.home = Home.at(root)
        prepare(self.home)
        self.installation = InstallationResource(
            root=str(self.home.root), database_url=self.home.database_url, reference=str(self.home.reference)
        )
        self.landing = LandingResource(installation=self.installation)
        self.reports: list[ScanReport] = []
        self.runs: list[RunResult] = []
        # A product that is declared and not migrated yet must not hide what real files do.
        whole_schema([spec.table for spec in SPECS.values()]).create_all(self.installation.warehouse.engine)
        if build:
            _bundle(self.home.reference, build, references or {})

    def deliver(self, delivery: str, files: Iterable[Sent]) -> Path:
        """Write the files, then their manifest with true checksums."""
        folder = self.home.landing / delivery
        folder.mkdir(parents=True)
        rows = []
        for sent in files:
            rows.append(
                {
                    "file": sent.file,
                    "modality": sent.modality,
                    "patient_id": sent.patient_id,
                    "timepoint": sent.timepoint,
                    "specimen_id": sent.specimen_id,
                    "sha256": sent.write(folder),
                    **sent.row,
                }
            )
        with (folder / "delivery.csv").open("w", encoding="utf-8", newline="") as manifest:
            writer = csv.DictWriter(manifest, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return folder

    @cached_property
    def _dagster(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home.dagster_home))

    def ingest(self, only: Iterable[str] | None = None) -> Site:
        """Scan, and materialise what is due until nothing is; with ``only``, no other rooms' products."""
        rooms = None if only is None else set(only)
        tried: set[str] = set()
        for _ in range(MAX_PASSES):
            intake = take_in(self.installation, self.landing, self._dagster, actor="test")
            self.reports.append(intake.report)
            for event in arrivals(intake):
                self._dagster.report_runless_asset_event(event)
            due = [_limited(run, rooms) for run in intake.runs]
            runs = coarse_first([run for run in due if run.products and due_hash(run) not in tried])
            tried |= {due_hash(run) for run in runs}
            if not runs and not intake.report.unfinished:
                return self
            self.runs += [execute_run(self.home, run) for run in runs]
        raise AssertionError(f"something is still due after {MAX_PASSES} passes")

    def scan(self) -> Site:
        """Scan alone, until every file has been read."""
        for _ in range(MAX_PASSES):
            report = take_in(self.installation, self.landing, self._dagster, actor="test").report
            self.reports.append(report)
            if not report.unfinished:
                return self
        raise AssertionError(f"files are still unread after {MAX_PASSES} scans")

    def receipt(self, delivery: str) -> dict[str, dict[str, Any]]:
        """The receipt's entries by file."""
        content = json.loads((self.home.landing / delivery / "receipt.json").read_text(encoding="utf-8"))
        return {entry["file"]: entry for entry in content["files"]}

    def verdict(self, delivery: str, file: str) -> tuple[str, str]:
        """(status, reason code) of one file, as its lab reads it."""
        entry = self.receipt(delivery)[file]
        return entry["status"], entry["reason"]

    def facts(self, file: str) -> Mapping[str, str | int | float]:
        """What verification learnt of an accepted file."""
        modalities = sorted({modality for spec in SPECS.values() for modality in spec.reads})
        (found,) = [one for one in self.landing.accepted(modalities) if one.path.name == file]
        return found.facts

    def table(self, name: str, partition_key: str | None = None) -> pd.DataFrame:
        if partition_key is None:
            return self.installation.warehouse.read(SPECS[name].table)
        return self.installation.warehouse.read(SPECS[name].table, partition_key=partition_key)

    def close(self) -> None:
        self.installation.warehouse.close()
        if "_dagster" in self.__dict__:
            self._dagster.dispose()


def _limited(run: Run, rooms: set[str] | None) -> Run:
    kept = [
        (name, version)
        for name, version in zip(run.products, run.data_versions, strict=True)
        if rooms is None or SPECS[name].room in rooms
    ]
    return replace(run, products=tuple(name for name, _ in kept), data_versions=tuple(version for _, version in kept))


def _bundle(folder: Path, build: str, references: Mapping[str, Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, path in references.items():
        for source in (path, path.with_name(path.name + ".fai"), path.with_name(path.name + ".gzi")):
            if source.is_file() and not (folder / source.name).exists():
                shutil.copyfile(source, folder / source.name)
        entries.append({"name": name, "file": path.name, "version": "1", "build": build})
    write_bundle(folder, build, entries)


def at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the definitions of this process find this installation, as a worker of ``palbo ingest`` does."""
    monkeypatch.setenv("PALBO_HOME", str(home.root))
    monkeypatch.setenv("PALBO_DATABASE_URL", home.database_url)
    monkeypatch.setenv("PALBO_REFERENCE", str(home.reference))
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster_home))


# --- what a site would write beside real files ----------------------------------------------------------------------

ASSAY_2_WELLS = {
    "P1": "B4 B5 B6", "P2": "E4 E5 E6", "P3": "C4 C5 C6", "P4": "F4 F5 F6", "P5": "D4 D5 D6", "P6": "G4 G5 G6",
    "P7": "D7 D8 D9", "P8": "B7 B8 B9", "P9": "E7 E8 E9", "P10": "C7 C8 C9", "P11": "F7 F8 F9", "P12": "C11 D10 D11",
    "P13": "G7 G8 G9", "P14": "E10 E11 F10", "P15": "B10 B11 C10",
}  # fmt: skip
# The export's own AdjResult, in pg/mL.
ASSAY_2_ADJUSTED = {
    "P1": 195.78, "P2": 136.471, "P3": 143.215, "P4": 183.759, "P5": 139.351, "P6": 340.984, "P7": 399.717,
    "P8": 608.622, "P9": 500.43, "P10": 796.669, "P11": 374.685, "P12": 467.622, "P13": 700.733, "P14": 577.054,
    "P15": 713.388,
}  # fmt: skip


def assay_2_layout(plate_id: str = "ASSAY-2") -> str:
    """The layout of ELISAtools' Assay_2 as its Standards, Unk_Dilution and Control groups state it."""
    lines = ["plate_id,well,role,specimen_id,patient_id,timepoint,nominal_conc,dilution"]
    for row, concentration in zip("ABCDEFGH", (3000, 1500, 750, 375, 187.5, 93.75, 46.875, 0), strict=True):
        lines += [f"{plate_id},{row}{column},STD,,,,{concentration}," for column in (1, 2, 3)]
    for number, (specimen, wells) in enumerate(ASSAY_2_WELLS.items()):
        patient = f"PALBO-{1 + number % 3:03d}"
        lines += [f"{plate_id},{well},UNK,{specimen},{patient},BL,,10" for well in wells.split()]
    lines += [f"{plate_id},{well},QC_H,,,,846.847,1" for well in ("F11", "G10", "G11")]
    return "\n".join(lines) + "\n"


LARGE_FSC = 100_000
LARGE_EVENTS_GATE = f"""<?xml version="1.0" encoding="UTF-8"?>
<gating:Gating-ML xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating"
 xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">
 <gating:RectangleGate gating:id="large">
  <gating:dimension gating:compensation-ref="uncompensated" gating:min="{LARGE_FSC}">
   <data-type:fcs-dimension data-type:name="FSC-A" />
  </gating:dimension>
 </gating:RectangleGate>
</gating:Gating-ML>
"""


def with_patient(inform: Path, patient_id: str, timepoint: str) -> str:
    """An inForm table with the columns patient_id and timepoint that its lab would add; nothing else is changed."""
    header, *lines = inform.read_text(encoding="utf-8").splitlines()
    return "\n".join(
        [f"{header}\tpatient_id\ttimepoint", *(f"{line}\t{patient_id}\t{timepoint}" for line in lines if line), ""]
    )


def pam50(folder: Path, into: Path) -> dict[str, Path]:
    """UNC's centroids, and the medians of its 200 tumours as the frozen centring, in the bundle's columns."""
    names = {"gene_name": "gene", "luminal_a": "LumA", "luminal_b": "LumB", "her2": "Her2", "basal": "Basal"}
    centroids = pd.read_csv(folder / "pam50_centroids.tsv", sep="\t").rename(columns={**names, "normal": "Normal"})
    tumours = pd.read_csv(folder / "pam50_testdata.tsv", sep="\t", index_col=0)
    centroids[["gene", "LumA", "LumB", "Her2", "Basal", "Normal"]].to_csv(into / "centroids.csv", index=False)
    tumours.median(axis=1).rename("median").rename_axis("gene").to_csv(into / "medians.csv")
    return {"pam50_centroids": into / "centroids.csv", "pam50_reference": into / "medians.csv"}


def snp_bed(vcf: Path, bed: Path, region: tuple[str, int, int]) -> Path:
    """The SNPs of a sites VCF that lie in a region (0-based, half-open), as the bundle's identity BED."""
    import gzip

    chrom, start, end = region
    lines = []
    with gzip.open(vcf, "rt", encoding="utf-8") as sites:
        for line in sites:
            cells = line.rstrip("\n").split("\t")
            if cells[0] == chrom and start < int(cells[1]) <= end and len(cells[3]) == len(cells[4]) == 1:
                lines.append(f"{chrom}\t{int(cells[1]) - 1}\t{cells[1]}\t{cells[2]}\t{cells[3]}\t{cells[4]}\n")
    bed.write_text("".join(lines))
    return bed


def masked_genome(fasta: Path, bam: Path, tables: Iterable[Path]) -> Path:
    """An indexed BGZF FASTA of the BAM's contigs: the reference bases that UMIErrorCorrect's tables state, else N."""
    import pysam

    known: dict[str, dict[int, str]] = {}
    for table in tables:
        with table.open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                known.setdefault(row["Contig"], {})[int(row["Position"])] = row["Reference"].upper()
    with pysam.AlignmentFile(str(bam)) as alignments:
        lengths = dict(zip(alignments.references, alignments.lengths, strict=True))
    with pysam.BGZFile(str(fasta), "wb") as file:
        for chrom in ("chr3", "chr4", "chr17"):
            bases = bytearray(b"N") * lengths[chrom]
            for position, base in known[chrom].items():
                bases[position - 1 : position] = base.encode("ascii")
            file.write(f">{chrom}\n".encode() + bytes(bases) + b"\n")
    pysam.faidx(str(fasta))
    return fasta


def first_of_several_samples(vcf: Path) -> str:
    """The first sample column's name where a VCF has several, as a lab would name it; else empty."""
    for line in vcf.read_bytes().splitlines():
        if line.startswith(b"#CHROM"):
            samples = line.decode("utf-8", "replace").split("\t")[9:]
            return samples[0].strip() if len(samples) > 1 and samples[0].strip().isascii() else ""
    return ""
