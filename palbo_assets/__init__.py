"""palbo_assets: a Dagster data-asset platform for a longitudinal multi-omics trial."""

from palbo_assets.kernel_cache import keep_apart

__version__ = "0.1.0"

keep_apart()
