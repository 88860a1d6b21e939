# As which the instances run. It reads, and writes nothing but its log.

resource "aws_iam_role" "this" {
  name                 = local.full_name
  path                 = "/${var.name}/"
  permissions_boundary = var.boundary_arn
  description          = "As which the instances of the API of ${var.name} run"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Instances"
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_instance_profile" "this" {
  name = local.full_name
  path = "/${var.name}/"
  role = aws_iam_role.this.name
}

resource "aws_iam_role_policy" "this" {
  name   = "api"
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

locals {
  # The lake's tables, whose files the API makes links to. A link has the rights of who made it.
  # The warehouse tells which files there are, so no bucket is listed.
  tables = sort(distinct([for view in jsondecode(file("${var.package_folder}/views.json")) : view.table]))

  statements = [
    {
      Sid      = "ReadItsSecrets"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = [for name in sort(keys(local.secrets)) : aws_secretsmanager_secret.this[name].arn]
    },
    {
      # Installed as the version that the launch template names.
      Sid      = "ReadThePackage"
      Effect   = "Allow"
      Action   = "s3:GetObjectVersion"
      Resource = "${var.state_bucket.arn}/${aws_s3_object.package.key}"
    },
    {
      Sid      = "ReadHowFreshTheDataAre"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${var.state_bucket.arn}/status.json"
    },
    {
      Sid      = "LinkToTheLakesFiles"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = [for table in local.tables : "${var.processed_bucket.arn}/${table}/*"]
    },
    {
      # In the name of the instance: S3 for every object, Secrets Manager for every secret.
      Sid       = "UseTheKey"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = [for service in ["s3", "secretsmanager"] : "${service}.${local.region}.amazonaws.com"] } }
    },
    {
      Sid      = "WriteItsLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:${local.partition}:logs:${local.here}:log-group:${aws_cloudwatch_log_group.this.name}:*"
    },
    {
      # Session Manager takes the place of SSH. Its channels have no ARN.
      # Source: "Create a custom IAM role for Session Manager" in the user guide of Systems Manager.
      Sid      = "LetSessionManagerIn"
      Effect   = "Allow"
      Action   = ["ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
      Resource = "*"
    },
  ]
}
