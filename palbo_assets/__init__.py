"""palbo_assets: a Dagster data-asset platform for a longitudinal multi-omics trial."""

__version__ = "0.1.0"
