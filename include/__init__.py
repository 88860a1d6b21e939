"""The ToteSys warehouse pipeline: what is moved (declarations) and how (ingest, transform, load, record, check)."""
