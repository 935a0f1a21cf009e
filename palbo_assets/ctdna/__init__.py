"""Plasma panel sequencing with molecular barcodes: molecules, background, calls with power, panel versions."""
