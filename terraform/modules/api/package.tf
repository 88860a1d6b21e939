# What instances install, as it was built: code, wheels, and the script that installs them. Another content is another version of
# the object, which the launch template names.
resource "aws_s3_object" "package" {
  bucket             = var.state_bucket.bucket
  key                = "api/api.zip"
  source             = "${var.package_folder}/api.zip"
  source_hash        = filesha256("${var.package_folder}/api.zip")
  kms_key_id         = var.key_arn
  bucket_key_enabled = true
}
