resource "aws_s3_bucket_lifecycle_configuration" "data" {
  for_each = local.data_buckets

  bucket = aws_s3_bucket_versioning.this[each.key].bucket

  rule {
    id     = "cold-then-expired"
    status = "Enabled"
    filter {}

    transition {
      days          = var.cold_after_days
      storage_class = "GLACIER_IR"
    }

    dynamic "expiration" {
      for_each = var.expire_after_days == null ? [] : [var.expire_after_days]
      content {
        days = expiration.value
      }
    }

    # Nothing is ever overwritten here, so an older version is something deleted: time to notice, then it goes.
    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket_versioning.this["state"].bucket

  rule {
    id     = "older-versions"
    status = "Enabled"
    filter {}

    # Every run replaces latest_update.json and every deployment the code; these versions are the way back.
    noncurrent_version_expiration {
      noncurrent_days = 90
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}
