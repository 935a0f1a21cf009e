"""Tests of palbo_assets.cytometry."""
