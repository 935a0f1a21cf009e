"""Renders a plasma before its consensus was called: every molecule as a family of raw read pairs from both strands.

Molecules are drawn as for a consensus BAM (`plasma_reads.Drawn`). Each is copied some times per strand; copies carry
sequencing errors as their base qualities say, and now and then an error in the barcode. The duplex UMI is in the tag
RX, the part of read 1 first, so the parts swap between strands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from palbo_assets.demo.plasma_reads import READ, Drawn, bins, nibbles_of, with_indel

QUALITIES = np.array([37, 25, 11], dtype=np.uint8)  # binned as NovaSeq writes them
QUALITY_SHARES = (0.94, 0.05, 0.01)
UMI = 6  # bases from each end
UMI_ERROR = 0.001  # per base of a barcode
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def raw_records(
    contig_id: int, sample: str, serial: int, drawn: Drawn, rng: np.random.Generator, *, family_mean: float
) -> tuple[list[bytes], NDArray[np.int64]]:
    """The contig's raw records in coordinate order, and each molecule's pairs: (molecules, 2 strands).

    ``family_mean``: read pairs per molecule, both strands together (Poisson each); some molecules are never read.
    """
    molecules = drawn.lengths.size
    sizes = rng.poisson(family_mean / 2, size=(molecules, 2))
    barcodes = _LETTERS[rng.integers(0, 4, size=(molecules, 2 * UMI))]
    of = np.repeat(np.repeat(np.arange(molecules), 2), sizes.ravel())
    strand = np.repeat(np.tile([0, 1], molecules), sizes.ravel())
    count = of.size
    umi = barcodes[of]
    wrong = rng.random(umi.shape) < UMI_ERROR
    umi[wrong] = _LETTERS[rng.integers(0, 4, size=int(wrong.sum()))]
    swapped = np.concatenate([umi[:, UMI:], umi[:, :UMI]], axis=1)
    umi = np.where(strand[:, None] == 1, swapped, umi)
    names = "".join(f"{number:08d}" for number in range(serial, serial + count))
    digits = np.frombuffer(names.encode(), dtype=np.uint8).reshape(count, 8)
    prefix = f"{sample}:".encode()
    layout = _layout(len(prefix))
    positions = np.stack(drawn.starts)
    for (side, molecule), (start, _, _) in drawn.special.items():
        positions[side, molecule] = start
    positions = positions[:, of]
    records: list[bytes] = []
    for side in (0, 1):
        rows = np.zeros(count, dtype=layout)
        qualities = rng.choice(QUALITIES, size=(count, READ), p=QUALITY_SHARES)
        bases = _with_errors(drawn.reads[side][of], qualities, rng)
        rows["block_size"] = layout.itemsize - 4
        rows["ref_id"] = rows["next_ref_id"] = contig_id
        rows["pos"], rows["next_pos"] = positions[side], positions[1 - side]
        rows["l_read_name"], rows["mapq"], rows["n_cigar"], rows["l_seq"] = len(prefix) + 9, 60, 1, READ
        rows["bin"] = bins(positions[side], positions[side] + READ)
        rows["flag"] = np.where(strand == 0, 99, 163) if side == 0 else np.where(strand == 0, 147, 83)
        rows["tlen"] = drawn.lengths[of] if side == 0 else -drawn.lengths[of]
        rows["prefix"] = np.frombuffer(prefix, dtype=np.uint8)
        rows["digits"] = digits
        rows["cigar"] = READ << 4
        rows["seq"], rows["qual"] = nibbles_of(bases), qualities
        rows["rg"], rows["rx"] = np.frombuffer(b"RGZA\0", np.uint8), np.frombuffer(b"RXZ", np.uint8)
        rows["one"], rows["dash"], rows["two"] = umi[:, :UMI], ord("-"), umi[:, UMI:]
        packed = rows.tobytes()
        records += [packed[at : at + layout.itemsize] for at in range(0, len(packed), layout.itemsize)]
        members: dict[int, list[int]] = {}
        gapped = {molecule for one, molecule in drawn.special if one == side}
        for copy in np.flatnonzero(np.isin(of, list(gapped))) if gapped else ():
            members.setdefault(int(of[copy]), []).append(int(copy))
        for molecule, copies in members.items():
            start, true, cigar = drawn.special[side, molecule]
            letters = np.tile(np.frombuffer(true, dtype=np.uint8), (len(copies), 1))
            for member, one in zip(copies, _with_errors(letters, qualities[copies], rng), strict=True):
                index = side * count + member
                records[index] = with_indel(records[index], layout, start, one.tobytes(), cigar)
    order = np.argsort(positions.ravel(), kind="stable")
    return [records[index] for index in order], sizes


def _with_errors(bases: np.ndarray, qualities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A base is another one with the probability that its quality states."""
    bases = bases.copy()
    bases[bases == ord("N")] = ord("A")
    wrong = np.nonzero(rng.random(bases.shape, dtype=np.float32) < (10 ** (-np.arange(94) / 10))[qualities])
    code = np.searchsorted(_LETTERS, bases[wrong])
    bases[wrong] = _LETTERS[(code + rng.integers(1, 4, size=code.size)) % 4]
    return bases


def _layout(prefix: int) -> np.dtype[Any]:
    """A BAM record of an ungapped raw read with RG and a duplex RX, packed."""
    return np.dtype(
        [
            ("block_size", "<i4"), ("ref_id", "<i4"), ("pos", "<i4"), ("l_read_name", "u1"), ("mapq", "u1"),
            ("bin", "<u2"), ("n_cigar", "<u2"), ("flag", "<u2"), ("l_seq", "<i4"), ("next_ref_id", "<i4"),
            ("next_pos", "<i4"), ("tlen", "<i4"), ("prefix", "u1", prefix), ("digits", "u1", 8), ("name_end", "u1"),
            ("cigar", "<u4"), ("seq", "u1", READ // 2), ("qual", "u1", READ), ("rg", "u1", 5), ("rx", "u1", 3),
            ("one", "u1", UMI), ("dash", "u1"), ("two", "u1", UMI), ("rx_end", "u1"),
        ]
    )  # fmt: skip
