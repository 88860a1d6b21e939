# The bucket of the environment's state. Its own state stays beside this file, or is imported: the bucket has a known name.
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  bucket    = "${var.name}-${local.account}-terraform"
  arn       = "arn:${local.partition}:s3:::${local.bucket}"
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:Versions tell what changed in the state, and CloudTrail who changed it
  #checkov:skip=CKV_AWS_144:The state can be imported again from what stands in the account
  #checkov:skip=CKV2_AWS_62:Nothing waits for new states
  bucket        = local.bucket
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.state.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "older-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 365
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      for sid, condition in {
        RefuseWithoutTls = { Bool = { "aws:SecureTransport" = "false" } }
        RefuseOldTls     = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
        } : {
        Sid       = sid
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = condition
      }
      ], [
      # A write that names no encryption takes the bucket's default, which is the key: the bootstrap's own upload does.
      for sid, header in {
        RefuseOtherEncryption = ["s3:x-amz-server-side-encryption", "aws:kms"]
        RefuseOtherKey        = ["s3:x-amz-server-side-encryption-aws-kms-key-id", aws_kms_key.state.arn]
        } : {
        Sid       = sid
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arn}/*"
        Condition = { Null = { (header[0]) = "false" }, StringNotEquals = { (header[0]) = header[1] } }
      }
    ])
  })

  depends_on = [aws_s3_bucket_public_access_block.state]
}
