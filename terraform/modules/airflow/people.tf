# Roles that people take to open Airflow: one that may look, and one that may also start, clear and mark runs. Who may take
# them, the IAM policies of this account decide (docs/aws.md). Source: "Accessing an Amazon MWAA environment" in its user guide.
locals {
  people = {
    viewer   = { airflow = "Viewer", does = "look at runs and logs" }
    operator = { airflow = "Op", does = "look at runs and logs, and start, clear and mark runs" }
  }
}

resource "aws_iam_role" "people" {
  for_each = local.people

  name                 = "${var.name}-airflow-${each.key}"
  path                 = "/${var.name}/"
  permissions_boundary = var.boundary_arn
  description          = "With which people ${each.value.does} in Airflow of ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "WhomIamLetsOfThisAccount"
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "people" {
  for_each = local.people

  name = "airflow"
  role = aws_iam_role.people[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "OpenAirflow"
        Effect   = "Allow"
        Action   = ["airflow:CreateWebLoginToken", "airflow:InvokeRestApi"]
        Resource = "arn:${local.partition}:airflow:${local.region}:${local.account}:role/${var.name}/${each.value.airflow}"
      },
      {
        Sid      = "SeeTheEnvironment"
        Effect   = "Allow"
        Action   = "airflow:GetEnvironment"
        Resource = local.environment_arn
      },
      {
        # The console lists all before it shows one.
        Sid      = "ListEnvironments"
        Effect   = "Allow"
        Action   = "airflow:ListEnvironments"
        Resource = "*"
      },
    ]
  })
}
