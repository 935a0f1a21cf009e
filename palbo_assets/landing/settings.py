"""Limits of the landing. Every number says its unit and where it comes from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

GIB = 1024**3
MIB = 1024**2


class Settings(BaseModel):
    """Operational limits; none of them decides a scientific result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settle_seconds: NonNegativeFloat = Field(
        default=30.0,
        description="seconds for which a file without a checksum in a manifest must stay unchanged, over at least two "
        "scans; two sensor intervals of 15 s, operational choice",
    )
    seconds_per_scan: PositiveFloat = Field(
        default=20.0,
        description="seconds after which a scan starts no further file; a third of Dagster's 60 s limit for one sensor "
        "evaluation, so that one slow file more still fits",
    )
    bytes_per_scan: PositiveInt = Field(
        default=GIB,
        description="bytes hashed in one scan (one file more may exceed it); 2-5 s at 220-500 MB/s measured here",
    )
    largest_file_bytes: PositiveInt = Field(
        default=64 * GIB,
        description="bytes; a whole exome BAM at 200x is 10-20 GB, a 40x slide below 5 GB; sparse bombs are larger",
    )
    largest_manifest_bytes: PositiveInt = Field(default=16 * MIB, description="bytes; 10,000 rows take about 2 MB")
    verify_memory_bytes: PositiveInt = Field(
        default=2 * GIB,
        description="bytes of private memory for verifying one file; decompression bombs seen reach 4 GiB in seconds",
    )
    verify_cpu_seconds: PositiveFloat = Field(
        default=60.0,
        description="CPU seconds for verifying one file, before the share per GiB; loading parsers takes up to 5 s",
    )
    verify_cpu_seconds_per_gib: PositiveFloat = Field(
        default=120.0,
        description="further CPU seconds per GiB of the file: a full read-through inflates at least 10 MB/s",
    )
    verify_wall_factor: PositiveFloat = Field(
        default=3.0,
        description="wall-clock limit as a multiple of the CPU limit, for parsers that hang without computing",
    )
    verify_written_bytes: PositiveInt = Field(
        default=256 * MIB,
        description="bytes of any one file that a verifier may write (an index of its own); guards the disk",
    )
    files_per_worker: PositiveInt = Field(
        default=2000, description="files after which the verifying process is replaced, so that a leak can't add up"
    )
    rows_per_commit: PositiveInt = Field(
        default=500,
        description="ledger rows in one transaction; one commit a row made a scan of 10,000 files take 27 s",
    )
