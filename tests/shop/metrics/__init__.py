"""The shop's metrics: a file per subject."""
