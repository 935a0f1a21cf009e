"""Kills, races and full disks."""
