"""Benchmarks: the pipeline beside plain baselines, between the same two servers, as ratios. `python -m bench --help`."""
