"""What is served over HTTP: the shop's warehouse, loaded by the pipeline, asked by real clients."""
