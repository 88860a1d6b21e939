# The built package, file by file. What a file holds decides (source_hash), not the ETag, which of an encrypted object is no
# checksum of it.

resource "aws_s3_object" "dag" {
  for_each = fileset(var.package_folder, "dags/**")

  bucket             = var.bucket.bucket
  key                = each.value
  source             = "${var.package_folder}/${each.value}"
  source_hash        = filesha256("${var.package_folder}/${each.value}")
  kms_key_id         = var.key_arn
  bucket_key_enabled = true
}

resource "aws_s3_object" "file" {
  for_each = toset(["plugins.zip", "requirements.txt", "startup.sh"])

  bucket             = var.bucket.bucket
  key                = each.value
  source             = "${var.package_folder}/${each.value}"
  source_hash        = filesha256("${var.package_folder}/${each.value}")
  kms_key_id         = var.key_arn
  bucket_key_enabled = true
}
