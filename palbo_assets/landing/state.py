"""The state of a finished scan, so that the next one can stop after listing the zone when nothing changed."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa

from palbo_assets import __version__
from palbo_assets.landing.admission import STATE
from palbo_assets.landing.claims import Claimed, Registry
from palbo_assets.landing.ledger import landing_seen, upsert
from palbo_assets.landing.settings import Settings
from palbo_assets.landing.zone import Zone
from palbo_assets.platform.database import write_transaction
from palbo_assets.platform.formats import Context


def state_of(
    zone: Zone, withdrawn: frozenset[str], genome: Context, settings: Settings, registry: Registry, corrected: str = ""
) -> str:
    """Hash of everything that a scan's decisions follow from, apart from time; ``corrected``: the relabels in force."""
    digest = hashlib.sha256()
    about = [
        __version__,
        sorted(withdrawn),
        genome.genome_build,
        sorted(genome.contig_lengths.items()),
        settings.model_dump(),
        corrected,
        sorted(f"{item.verify.__module__}:{modality}:{role}" for (modality, role), item in registry.items()),
    ]
    digest.update(json.dumps(about, sort_keys=True).encode())
    for delivery in zone.deliveries:
        manifest = delivery.manifest.fingerprint if delivery.manifest else ()
        digest.update(f"\n{delivery.path}\0{delivery.has_receipt}\0{manifest}".encode())
        for found in (*sorted(delivery.files.values(), key=lambda found: found.path), *delivery.refused):
            digest.update(f"\n{found.path}\0{found.fingerprint}".encode())
    for found in (*zone.refused, *zone.stray):
        digest.update(f"\n{found.path}\0{found.fingerprint}".encode())
    return digest.hexdigest()


def remember(engine: sa.Engine, claimed: Claimed, now: float, state: str) -> None:
    """Store the manifests' fingerprints and the state; empty when another scan is needed."""
    rows = [
        {
            "path": manifest.path,
            "size": manifest.size,
            "mtime_ns": manifest.mtime_ns,
            "inode": manifest.inode,
            "first_seen": now,
            "sha256": "",
        }
        for manifest in claimed.manifests
    ]
    empty = {"path": STATE, "size": 0, "mtime_ns": 0, "inode": 0, "first_seen": now}
    rows.append({**empty, "sha256": state})
    with write_transaction(engine) as connection:
        upsert(connection, landing_seen, rows)
