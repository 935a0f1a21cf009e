"""One file as the landing sees it: what lies on disk, what is claimed of it, what was learnt, what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from palbo_assets.landing.ledger import decode_facts, encode_facts, file_id
from palbo_assets.landing.problem import Problem, Status
from palbo_assets.landing.sandbox import Verdict
from palbo_assets.platform.formats import Claim, FileFormat

# Files that describe how a measurement was made rather than a specimen, and two numbers of a fit (0.60 and 2.0 are
# common): two samples may rightly share them.
SHARED_ROLES = frozenset(
    {"control", "gating", "panel", "panel_bed", "wet_lab", "tx2gene", "layout", "redcap_dictionary", "purity"}
)
# Files that can hold several samples, each row of a manifest naming one of them with sample_name.
MULTI_SAMPLE_ROLES = frozenset({"somatic_vcf", "somatic_maf", "segments", "gene_counts", "gene_tpm"})

_CLAIM_COLUMNS = (
    "modality",
    "role",
    "patient_id",
    "timepoint",
    "specimen_id",
    "sample_name",
    "genome_build",
    "panel_version",
    "library",
    "site",
)


@dataclass(eq=False)
class Entry:
    """A file in the landing zone, or one that the ledger remembers.

    ``delivered`` is the lab's own claim where a correction overrules it with ``claim``.
    ``problem`` is what stands against it before its content is judged; ``verdict`` is None until it is verified.
    ``status``, ``reason`` and ``supersedes`` are decided last; ``status`` None means that the scan hasn't got to it.
    """

    path: str
    delivery: str
    lab: str
    inside: str
    on_disk: Path
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    claim: Claim | None = None
    delivered: Claim | None = None
    file_format: FileFormat | None = None
    role: str = ""
    scope: str = ""
    line: int | None = None
    problem: Problem | None = None
    sha256: str = ""
    present: bool = True
    received_at: str = ""
    verdict: Verdict | None = None
    status: Status | None = None
    reason: Problem | None = None
    supersedes: str = ""
    index: Path | None = None
    companions: Mapping[str, list[Entry]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return file_id(self.path, self.sha256)

    @property
    def fingerprint(self) -> tuple[int, int, int]:
        return self.size, self.mtime_ns, self.inode

    @property
    def name(self) -> str:
        return self.inside.rsplit("/", 1)[-1]

    @property
    def folder(self) -> str:
        return self.inside.rpartition("/")[0]

    @property
    def arrival(self) -> tuple[str, str]:
        """Order of arrival by this machine's clock; never by the file's own time."""
        return self.received_at, self.path

    @property
    def modality(self) -> str:
        return self.claim.modality if self.claim else ""

    @property
    def patient_id(self) -> str:
        return self.claim.patient_id if self.claim else ""

    @property
    def timepoint(self) -> str:
        return self.claim.timepoint if self.claim else ""

    @property
    def specimen_id(self) -> str:
        return self.claim.specimen_id if self.claim else ""

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.verdict.facts if self.verdict else {}

    @property
    def batch_key(self) -> str:
        if self.scope != "batch" or self.verdict is None or self.verdict.problem is not None:
            return ""
        return self.verdict.batch_key or self.name.split(".")[0]

    @property
    def named_sample(self) -> str:
        """The sample inside a file that can hold several; empty for every other file."""
        return self.claim.sample_name if self.claim and self.role in MULTI_SAMPLE_ROLES else ""

    @property
    def slot(self) -> tuple[str, ...]:
        """What the file is a version of: a newer file of the same slot replaces it (specimens are compared apart)."""
        claim = self.claim or Claim(self.inside, "")
        apart = str(self.facts.get("slot", ""))
        kind = (self.modality, self.role, self.scope, claim.library, apart)
        if self.scope == "sample":
            return (*kind, claim.patient_id, claim.timepoint, self.named_sample)
        if self.scope == "patient":
            return (*kind, claim.patient_id)
        return (*kind, self.batch_key if self.scope == "batch" else claim.panel_version)

    def row(self) -> dict[str, Any]:
        """The ledger row of a decided entry."""
        reason = self.reason
        claimed = {name: getattr(self.claim, name, "") if self.claim else "" for name in _CLAIM_COLUMNS}
        claimed["role"] = self.role or claimed["role"]
        return {
            "id": self.id,
            "path": self.path,
            "delivery": self.delivery,
            "lab": self.lab,
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "sha256": self.sha256,
            **claimed,
            "scope": self.scope,
            "batch_key": self.batch_key,
            "status": str(self.status),
            "reason": reason.code if reason else "",
            "message": reason.message if reason else "",
            "row": reason.row if reason else None,
            "column": reason.column if reason else "",
            "fix": reason.fix if reason else "",
            "facts": encode_facts(self.facts),
            "received_at": self.received_at,
            "supersedes": self.supersedes,
            "verified_by": self.verdict.verified_by if self.verdict else "",
            "claimed_patient_id": self.delivered.patient_id if self.delivered else None,
            "claimed_timepoint": self.delivered.timepoint if self.delivered else None,
        }


def entry_of_row(row: Mapping[str, Any], landing: Path, registry: Mapping[tuple[str, str], FileFormat]) -> Entry:
    """A file that the ledger remembers as accepted, to take part in decisions though it isn't looked at."""
    claim = Claim(file=row["path"].removeprefix(row["delivery"] + "/"), **{name: row[name] for name in _CLAIM_COLUMNS})
    stated = None
    if row["claimed_patient_id"] is not None:
        stated = replace(claim, patient_id=row["claimed_patient_id"], timepoint=row["claimed_timepoint"] or "")
    return Entry(
        path=row["path"],
        delivery=row["delivery"],
        lab=row["lab"],
        inside=claim.file,
        on_disk=landing / row["path"],
        size=row["size"],
        mtime_ns=row["mtime_ns"],
        claim=claim,
        delivered=stated,
        file_format=registry.get((row["modality"], row["role"])),
        role=row["role"],
        scope=row["scope"],
        sha256=row["sha256"],
        received_at=row["received_at"],
        verdict=stored_verdict(row),
    )


def stored_verdict(row: Mapping[str, Any]) -> Verdict:
    """The good verdict that an accepted ledger row stands for."""
    return Verdict(None, decode_facts(row["facts"]), row["batch_key"], row["verified_by"])
