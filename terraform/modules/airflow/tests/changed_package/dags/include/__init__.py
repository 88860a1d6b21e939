"""Code of the pipeline."""
