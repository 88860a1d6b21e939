mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-2" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/totesys-test-boundary" }
  }
}

variables {
  name    = "totesys-test"
  key_arn = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
}

run "boundary" {
  assert {
    condition     = aws_iam_policy.boundary.name == "totesys-test-boundary" && output.arn == aws_iam_policy.boundary.arn
    error_message = "The boundary does not carry the prefix, or its ARN is not told."
  }

  assert {
    condition = alltrue([
      for action in flatten([for statement in local.statements : statement.Action]) : can(regex("^[a-z0-9]+:[A-Z][A-Za-z]+[*]?$", action))
      && !can(regex("^(iam|sts|ec2|lambda|kms:(Put|Create|Schedule))", action))
    ])
    error_message = "A role can be written that writes roles, keys or networks, or that may do everything with a service."
  }

  assert {
    condition = toset(flatten([for statement in local.statements : statement.Action if statement.Resource == "*"])) == toset([
      "airflow:ListEnvironments", "athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups", "cloudwatch:PutMetricData", "logs:DescribeLogGroups", "s3:GetAccountPublicAccessBlock",
      "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    ])
    error_message = "Something is allowed on everything though AWS knows an ARN for it."
  }

  assert {
    condition = [
      for statement in local.statements : statement.Resource
      if anytrue([for action in flatten([statement.Action]) : can(regex("^s3:(Delete|\\*)", action))])
    ] == ["arn:aws:s3:::totesys-test-111122223333-processed/iceberg/*/metadata/*"]
    error_message = "A role can be written that deletes data."
  }

  assert {
    condition     = !strcontains(aws_iam_policy.boundary.policy, "-terraform")
    error_message = "Terraform's state can be reached by the environment's roles."
  }

  assert {
    condition     = length(aws_iam_policy.boundary.policy) < 6144
    error_message = "IAM takes 6,144 characters of a managed policy."
  }
}

run "refuses_names_and_keys_that_are_none" {
  command         = plan
  expect_failures = [var.name, var.key_arn]
  variables {
    name    = "T"
    key_arn = "alias/totesys"
  }
}
