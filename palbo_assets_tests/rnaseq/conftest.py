"""The room's cohort products read tables of other rooms, so all are declared before a test imports the room's."""

import palbo_assets.definitions  # noqa: F401
