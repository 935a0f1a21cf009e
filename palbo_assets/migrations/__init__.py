"""Alembic revisions of the warehouse."""
