# A key of its own: who may use the environment's data need not be able to read Terraform's state, nor the other way round.
resource "aws_kms_key" "state" {
  description             = "Encrypts Terraform's state of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountDecidesByIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "state" {
  name          = "alias/${var.name}-terraform"
  target_key_id = aws_kms_key.state.key_id
}
