data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  # Data files are written once, and expire; what the state bucket holds is replaced in place, and stays. Results of questions to
  # the lake can be had again.
  data_buckets = toset(["ingestion", "processed"])
  buckets      = setunion(local.data_buckets, ["state", "results"])
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:Every file can be made again from the source; a copy in another region doubles the cost for nothing
  #checkov:skip=CKV2_AWS_62:Nothing waits for new files; the schedule starts every run
  for_each = local.buckets

  bucket        = "${var.name}-${local.account}-${each.key}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  rule {
    # One data key serves many objects, which saves nearly all requests to KMS.
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each = aws_s3_bucket.this

  bucket        = each.value.id
  target_bucket = aws_s3_bucket.access_logs.id
  target_prefix = "${each.key}/"

  # S3 asks whether it may write there before it agrees.
  depends_on = [aws_s3_bucket_policy.access_logs]
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  for_each = var.object_lock_days == null ? [] : local.data_buckets

  bucket = aws_s3_bucket_versioning.this[each.key].bucket
  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.object_lock_days
    }
  }
}
