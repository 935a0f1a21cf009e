"""What every room stands on: table contracts, warehouse, files, references, provenance, settings."""
