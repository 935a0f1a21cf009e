"""Deliveries as labs get them wrong, each small enough to read; ``golden_receipts.json`` holds what they get back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

HEADER = "file,modality,patient_id,timepoint,specimen_id,sha256"


def _write(folder: Path, name: str, content: str | bytes) -> str:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


def manifest(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> Callable[[Path], None]:
    """A delivery whose files all hold good content and whose manifest has these rows; ``{sha}`` is the right hash."""

    def build(folder: Path) -> None:
        sha = _write(folder, "tube.fcs", "good")
        _write(folder, "quant.sf", "good counts")
        text = "\n".join([header, *rows]).replace("{sha}", sha) + "\n"
        (folder / "delivery.csv").write_bytes(text.encode(encoding))

    return build


def content(data: str | bytes, name: str = "tube.fcs", cells: str = "facs,PALBO-001,BL,S1") -> Callable[[Path], None]:
    """A delivery of one file with this content, well described."""

    def build(folder: Path) -> None:
        sha = _write(folder, name, data)
        (folder / "delivery.csv").write_text(f"{HEADER}\n{name},{cells},{sha}\n")

    return build


def raw_manifest(data: bytes) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        _write(folder, "tube.fcs", "good")
        (folder / "delivery.csv").write_bytes(data)

    return build


def _link(folder: Path) -> None:
    manifest("tube.fcs,facs,PALBO-001,BL,S1,{sha}", "link.fcs,facs,PALBO-001,PD,S2,")(folder)
    (folder / "link.fcs").symlink_to("/etc/passwd")


def _pipe(folder: Path) -> None:
    manifest("tube.fcs,facs,PALBO-001,BL,S1,{sha}")(folder)
    os.mkfifo(folder / "pipe.fcs")


def _bad_bytes(folder: Path) -> None:
    manifest("tube.fcs,facs,PALBO-001,BL,S1,{sha}")(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.fcs")).write_bytes(b"x")


def _same_twice(folder: Path) -> None:
    sha = _write(folder, "a.fcs", "same")
    _write(folder, "b.fcs", "same")
    rows = f"a.fcs,facs,PALBO-001,BL,S1,{sha}\nb.fcs,facs,PALBO-002,BL,S2,{sha}\n"
    (folder / "delivery.csv").write_text(f"{HEADER}\n{rows}")


def _no_layout(folder: Path) -> None:
    sha = _write(folder, "plate.txt", "plate P1")
    (folder / "delivery.csv").write_text(f"{HEADER}\nplate.txt,elisa,,,,{sha}\n")


def _flood(folder: Path) -> None:
    rows = [f"f{number}.fcs,facs,patient {number},BL,," for number in range(12)]
    manifest("tube.fcs,facs,PALBO-001,BL,S1,{sha}", *rows)(folder)


GOOD = "tube.fcs,facs,PALBO-001,BL,S1,{sha}"
MALFORMED: dict[str, Callable[[Path], None]] = {
    "semicolons": manifest("tube.fcs;facs;PALBO-001;BL;S1;", header=HEADER.replace(",", ";")),
    "heading_misspelt": manifest(GOOD, header=HEADER.replace("patient_id", "patientid")),
    "heading_twice": manifest(GOOD + ",x", header=HEADER + ",file"),
    "heading_unknown": manifest(GOOD + ",x", header=HEADER + ",operator"),
    "no_rows": manifest(),
    "empty_manifest": raw_manifest(b""),
    "nul_bytes": raw_manifest(b"file\0,modality\n"),
    "not_text": raw_manifest(b"\x80\xff\xfe\x81,\xfe\n"),
    "quote_open": raw_manifest(HEADER.encode() + b'\n"tube.fcs,facs\n'),
    "cp949_is_fine": manifest(GOOD + ",냉동", header=HEADER + ",note", encoding="cp949"),
    "short_row": manifest(GOOD, "quant.sf,rnaseq"),
    "modality_typo": manifest("tube.fcs,fasc,PALBO-001,BL,S1,{sha}"),
    "role_typo": manifest(GOOD + ",fsc", header=HEADER + ",role"),
    "suffix_unknown": manifest("quant.sf,facs,PALBO-001,BL,S1,"),
    "patient_lower_case": manifest("tube.fcs,facs,palbo_001,BL,S1,{sha}"),
    "patient_missing": manifest("tube.fcs,facs,,BL,S1,{sha}"),
    "patient_where_none_belongs": content("plate P1", "plate.txt", "elisa,PALBO-001,,"),
    "timepoint_unknown": manifest("tube.fcs,facs,PALBO-001,W99,S1,{sha}"),
    "registration_number": manifest("tube.fcs,facs,PALBO-001,BL,900101-1234567,{sha}"),
    "html_in_a_label": manifest("tube.fcs,facs,PALBO-001,BL,<img src=x onerror=alert(1)>,{sha}"),
    "md5_instead": manifest("tube.fcs,facs,PALBO-001,BL,S1,d41d8cd98f00b204e9800998ecf8427e"),
    "checksum_differs": manifest("tube.fcs,facs,PALBO-001,BL,S1," + "0" * 64),
    "absolute_path": manifest(GOOD, "/etc/passwd,facs,PALBO-001,PD,S2,"),
    "path_upwards": manifest(GOOD, "../other/tube.fcs,facs,PALBO-001,PD,S2,"),
    "backslashes": manifest(GOOD, "sub\\tube.fcs,facs,PALBO-001,PD,S2,"),
    "named_twice": manifest(GOOD, "tube.fcs,facs,PALBO-002,BL,S2,{sha}"),
    "file_missing": manifest(GOOD, "gone.fcs,facs,PALBO-001,PD,S2," + "a" * 64),
    "file_not_named": manifest("quant.sf,rnaseq,PALBO-001,BL,S1,"),
    "file_empty": content(""),
    "file_truncated": content("TRUNCATED"),
    "bad_cell_in_a_file": content("ROW"),
    "parser_fails": content("RAISE 900101-1234567"),
    "parser_crashes": content("CRASH"),
    "memory_bomb": content("MEMORY"),
    "symbolic_link": _link,
    "pipe": _pipe,
    "name_not_utf8": _bad_bytes,
    "two_patients_one_content": _same_twice,
    "plate_without_layout": _no_layout,
    "same_complaint_often": _flood,
}
