"""Nothing is lost, doubled or stale: the whole pipeline against a source that does what sources do."""
