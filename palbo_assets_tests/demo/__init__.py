"""Tests of the synthetic twin."""
