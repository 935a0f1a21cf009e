"""Tests of palbo_assets.serum."""
