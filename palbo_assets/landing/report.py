"""What one scan says: a verdict for each file, for people and for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from palbo_assets.landing.entry import Entry
from palbo_assets.landing.files import LandedFile
from palbo_assets.landing.problem import FIXES, Problem, Status, problem

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {
    Status.ACCEPTED: "green",
    Status.DUPLICATE: "green",
    Status.SUPERSEDED: "cyan",
    Status.WAITING: "yellow",
    Status.QUARANTINED: "red",
}


@dataclass(frozen=True)
class FileVerdict:
    """What becomes of one file. ``file`` is its path in the delivery.

    ``row`` and ``column`` say where the reason is: in ``delivery.csv`` when ``in_manifest``, else in the file itself.
    """

    path: str
    delivery: str
    file: str
    status: Status
    reason: str = ""
    message: str = ""
    fix: str = ""
    row: int | None = None
    column: str = ""
    in_manifest: bool = False
    modality: str = ""
    role: str = ""
    patient_id: str = ""
    timepoint: str = ""
    specimen_id: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, entry: Entry) -> FileVerdict:
        """The verdict of a decided entry; one that the scan hasn't got to is queued."""
        reason = entry.reason
        if entry.status is None:
            reason = problem("W_QUEUED", "the file is read by one of the next scans", fix=FIXES["W_QUEUED"])
        return cls(
            path=entry.path,
            delivery=entry.delivery,
            file=entry.inside,
            status=entry.status or Status.WAITING,
            reason=reason.code if reason else "",
            message=reason.message if reason else "",
            fix=reason.fix if reason else "",
            row=reason.row if reason else None,
            column=reason.column if reason else "",
            in_manifest=reason is not None and reason.row is not None and not _of_content(entry, reason),
            modality=entry.modality,
            role=entry.role,
            patient_id=entry.patient_id,
            timepoint=entry.timepoint,
            specimen_id=entry.specimen_id,
            sha256=entry.sha256,
        )

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> FileVerdict:
        """The verdict that the ledger holds."""
        names = ("path", "delivery", "reason", "message", "fix", "row", "column", "modality", "role", "patient_id")
        more = ("timepoint", "specimen_id", "sha256")
        return cls(
            file=row["path"].removeprefix(row["delivery"] + "/"),
            status=Status(row["status"]),
            **{name: row[name] for name in (*names, *more)},
        )


@dataclass(frozen=True)
class ScanReport:
    """One scan of the landing zone.

    Attributes
    ----------
    files
        Verdicts of all files that lie there now, by path; empty when nothing changed since the last scan (`quiet`).
    changed
        Those whose ledger row this scan wrote.
    newly_accepted
        Files that this scan accepted.
    problems
        What is wrong with manifests themselves, by delivery.
    remaining
        Files left for the next scan because this one's limits were reached.
    settling
        Files that wait only to be seen unchanged.
    awaited
        Deliveries whose manifest hasn't come yet.
    """

    files: tuple[FileVerdict, ...] = ()
    changed: tuple[FileVerdict, ...] = ()
    newly_accepted: tuple[LandedFile, ...] = ()
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    remaining: int = 0
    settling: int = 0
    awaited: tuple[str, ...] = ()
    bytes_hashed: int = 0
    files_verified: int = 0
    receipts_written: int = 0
    receipts_refused: int = 0
    seconds: float = 0.0
    quiet: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether another scan right away would get further."""
        return self.remaining > 0

    @property
    def refused(self) -> list[FileVerdict]:
        """Files that somebody has to look at."""
        return [verdict for verdict in self.files if verdict.status is Status.QUARANTINED]

    @property
    def counts(self) -> dict[str, int]:
        """Number of files by status."""
        return dict(sorted(Counter(str(verdict.status) for verdict in self.files).items()))

    def as_json(self) -> dict[str, Any]:
        """Everything, without times."""
        return {
            "counts": self.counts,
            "problems": {
                path: [dict(vars(item)) for item in found] for path, found in sorted(self.problems.items()) if found
            },
            "files": [{**vars(verdict), "status": str(verdict.status)} for verdict in self.files],
            "remaining": self.remaining,
            "settling": self.settling,
            "awaited": list(self.awaited),
        }

    def as_table(self) -> Table:
        """For a terminal: what needs somebody first."""
        from rich.markup import escape
        from rich.table import Table

        table = Table("status", "file", "reason", "where", "what to do", title=_title(self.counts))
        for path, found in sorted(self.problems.items()):
            for item in found:
                table.add_row(
                    "", escape(f"{path}/delivery.csv"), item.code, where(item.row, item.column), escape(item.fix)
                )
        order = list(reversed(_COLOURS))
        for verdict in sorted(self.files, key=lambda verdict: (order.index(verdict.status), verdict.path)):
            reason = f"{verdict.reason} {verdict.message}".strip()
            table.add_row(
                f"[{_COLOURS[verdict.status]}]{verdict.status}[/]",
                escape(verdict.file),
                escape(reason),
                where(verdict.row, verdict.column, in_manifest=verdict.in_manifest),
                escape(verdict.fix),
            )
        return table


def where(row: int | None, column: str, *, in_manifest: bool = False) -> str:
    """``row 7, od450``, with ``delivery.csv`` in front when it's a row of the manifest."""
    parts = ["delivery.csv"] if in_manifest else []
    return ", ".join([*parts, *([f"row {row}"] if row is not None else []), *([column] if column else [])])


def _of_content(entry: Entry, reason: Problem) -> bool:
    return entry.verdict is not None and entry.verdict.problem is reason


def _title(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {status.lower()}" for status, number in counts.items()) or "no files"
