"""The infrastructure: its code checked, applied to a local AWS endpoint, and the pipeline run from what was applied."""
