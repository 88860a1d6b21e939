data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  # Written out, because the role comes before the environment.
  environment_arn = "arn:${local.partition}:airflow:${local.region}:${local.account}:environment/${var.name}"
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-airflow"
  path                 = "/${var.name}/"
  permissions_boundary = var.boundary_arn
  description          = "As which the schedulers and tasks of ${var.name} run"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyThisEnvironment"
      Effect    = "Allow"
      Principal = { Service = ["airflow.amazonaws.com", "airflow-env.amazonaws.com"] }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = local.environment_arn }
      }
    }]
  })
}
