"""Integers at any byte are those that Python reads there, and a borrowed array is the same memory."""

from __future__ import annotations

import numba
import numpy as np

from palbo_assets.genomics.bam import nibbles
from palbo_assets.genomics.packed_bases import next_unlike
from palbo_assets.genomics.unaligned import borrowed, load16, load32, load64, trailing_zeros


@numba.njit
def _loads(data, at):  # type: ignore[no-untyped-def]
    return load16(data, at), load32(data, at), load64(data, at)


@numba.njit
def _zeros(value):  # type: ignore[no-untyped-def]
    return trailing_zeros(np.uint64(value))


@numba.njit
def _set(array):  # type: ignore[no-untyped-def]
    view = borrowed(array)
    view[1:][0] = 7


def test_integers_at_any_byte_are_little_endian() -> None:
    data = np.random.default_rng(1).integers(0, 256, 40, dtype=np.uint8)
    for at in range(32):
        read = [int.from_bytes(data[at : at + width].tobytes(), "little") for width in (2, 4, 8)]
        assert list(_loads(data, at)) == read


def test_lowest_bits_are_counted() -> None:
    assert [_zeros(1 << bit) for bit in (0, 5, 62)] == [0, 5, 62]
    assert _zeros(0) == 64


def test_a_borrowed_array_is_the_same_memory() -> None:
    array = np.zeros(3)
    _set(array)
    assert array.tolist() == [0, 7, 0]


def _packed(codes: np.ndarray) -> np.ndarray:
    return (codes[0::2] << 4 | codes[1::2]).astype(np.uint8)


def test_bases_unlike_the_reference_are_found_at_any_place_and_parity() -> None:
    rng = np.random.default_rng(2)
    reference = nibbles("".join(rng.choice(list("ACGT"), 120)))
    padded = np.concatenate((reference, np.full(20, 15, np.uint8)))
    packed = np.concatenate((_packed(padded[:-2]), _packed(padded[1:-1])))
    for _ in range(300):
        index, query = int(rng.integers(0, 60)), int(rng.integers(0, 12))
        length = int(rng.integers(1, 60))
        read = np.concatenate((rng.integers(0, 16, query), reference[index : index + length]))
        changed = set(rng.choice(length, int(rng.integers(0, 4)), replace=True).tolist())
        for k in changed:
            read[query + k] = 15 - read[query + k]
        read = np.concatenate((read, np.full(len(read) % 2, 0))).astype(np.uint8)
        # With bytes behind the bases, as qualities are, and without any.
        for behind in (0, 30):
            data = np.concatenate((np.zeros(5, np.uint8), _packed(read), np.zeros(behind, np.uint8)))
            found, k = [], next_unlike(data, 5, query, reference, packed, index, 0, length)
            while k < length:
                found.append(k)
                k = next_unlike(data, 5, query, reference, packed, index, k + 1, length)
            assert found == sorted(changed)
