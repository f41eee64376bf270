"""The main job, end to end: whole visits as a SIMRS sends them."""
