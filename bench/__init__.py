"""The pipeline beside plain baselines, between the same two servers, as ratios. See `python -m bench --help`."""
