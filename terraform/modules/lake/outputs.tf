output "ingestion" {
  description = "Name and ARN of the bucket of CSV files as they were read from the source."
  value       = { bucket = aws_s3_bucket.this["ingestion"].bucket, arn = aws_s3_bucket.this["ingestion"].arn }
  depends_on  = [aws_s3_bucket_versioning.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "processed" {
  description = "Name and ARN of the bucket of Parquet files and of rejected rows."
  value       = { bucket = aws_s3_bucket.this["processed"].bucket, arn = aws_s3_bucket.this["processed"].arn }
  depends_on  = [aws_s3_bucket_versioning.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "state" {
  description = "Name and ARN of the bucket of the Airflow code and of latest_update.json."
  value       = { bucket = aws_s3_bucket.this["state"].bucket, arn = aws_s3_bucket.this["state"].arn }
  # An object that is uploaded before versioning is on has no version for the environment to be wired to, and MWAA takes no
  # bucket that could be public.
  depends_on = [
    aws_s3_bucket_versioning.this, aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_public_access_block.this, aws_s3_bucket_policy.this,
  ]
}

output "results" {
  description = "Name and ARN of the bucket of what questions to the lake were answered, for a month."
  value       = { bucket = aws_s3_bucket.this["results"].bucket, arn = aws_s3_bucket.this["results"].arn }
  depends_on  = [aws_s3_bucket_server_side_encryption_configuration.this, aws_s3_bucket_policy.this]
}

output "access_logs" {
  description = "Name of the bucket that records every access to the others."
  value       = aws_s3_bucket.access_logs.bucket
  # A load balancer is refused until it may deliver there.
  depends_on = [aws_s3_bucket_policy.access_logs]
}

output "database" {
  description = "Name of the Glue catalogue's database that has the lake's tables."
  value       = aws_glue_catalog_database.lake.name
}
