locals {
  # A data file is never overwritten, so an older version is something deleted: time to notice, then it goes. Every run
  # replaces latest_update.json and every deployment the code; their older versions are the way back.
  older_versions_days = { ingestion = 30, processed = 30, state = 90, results = 30 }

  expire_after_days = { ingestion = var.expire_after_days, results = 30 }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    id     = "age"
    status = "Enabled"
    filter {}

    dynamic "transition" {
      for_each = contains(local.data_buckets, each.key) ? [var.cold_after_days] : []
      content {
        days          = transition.value
        storage_class = "GLACIER_IR"
      }
    }

    dynamic "expiration" {
      for_each = [for days in [lookup(local.expire_after_days, each.key, null)] : days if days != null]
      content {
        days = expiration.value
      }
    }

    noncurrent_version_expiration {
      noncurrent_days = local.older_versions_days[each.key]
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # The other files of this bucket are the lake's tables, which no engine can read once one is gone.
  dynamic "rule" {
    for_each = each.key == "processed" && var.expire_after_days != null ? [var.expire_after_days] : []
    content {
      id     = "rejected"
      status = "Enabled"
      filter {
        prefix = "rejected/"
      }

      expiration {
        days = rule.value
      }
    }
  }

  # Rules for older versions are only taken where versions are kept.
  depends_on = [aws_s3_bucket_versioning.this]
}
