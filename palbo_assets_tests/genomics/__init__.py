"""Tests of what the rooms that read DNA share."""
