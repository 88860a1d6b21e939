resource "aws_s3_bucket" "access_logs" {
  #checkov:skip=CKV_AWS_18:A bucket that logs its own accesses logs the writing of its logs, without end
  #checkov:skip=CKV_AWS_144:A record of accesses is not worth a copy in another region
  #checkov:skip=CKV_AWS_145:S3 delivers access logs only to a bucket whose default encryption is SSE-S3; with a KMS key of one's own they never arrive
  #checkov:skip=CKV2_AWS_62:Nothing waits for new logs
  bucket        = "${var.name}-${local.account}-access-logs"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "access_logs" {
  bucket                  = aws_s3_bucket.access_logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  versioning_configuration {
    status = "Enabled"
  }
}

# S3 delivers access logs only where the default encryption is SSE-S3.
resource "aws_s3_bucket_server_side_encryption_configuration" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id

  rule {
    id     = "a-year"
    status = "Enabled"
    filter {}

    expiration {
      days = 365
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.access_logs]
}

resource "aws_s3_bucket_policy" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.deliver_logs], local.deliver_logs_of_load_balancers, local.refuse_plain_text["access-logs"])
  })

  depends_on = [aws_s3_bucket_public_access_block.access_logs]
}

locals {
  deliver_logs = {
    Sid       = "LogsOfTheBucketsBeside"
    Effect    = "Allow"
    Principal = { Service = "logging.s3.amazonaws.com" }
    Action    = "s3:PutObject"
    Resource  = "${local.arns["access-logs"]}/*"
    Condition = {
      StringEquals = { "aws:SourceAccount" = local.account }
      ArnEquals    = { "aws:SourceArn" = [for name in sort(local.buckets) : local.arns[name]] }
    }
  }

  deliver_logs_of_load_balancers = [
    for name in sort(var.load_balancers) : {
      Sid       = "LogsOfTheLoadBalancer"
      Effect    = "Allow"
      Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.arns["access-logs"]}/${name}/AWSLogs/${local.account}/*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:elasticloadbalancing:${data.aws_region.current.id}:${local.account}:loadbalancer/app/${name}/*" }
      }
    }
  ]
}
