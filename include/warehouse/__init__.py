"""The warehouse database: defined as declared, loaded from Parquet, compared with what was read."""
