"""Files in S3: CSV as the source has it becomes Parquet as declared; what cannot be right is set aside."""
