"""Tests of palbo_assets, laid out like its rooms."""
