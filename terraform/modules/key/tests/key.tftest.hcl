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
}

variables {
  name = "totesys-test"
}

run "key" {
  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key is not rotated."
  }

  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 30
    error_message = "A removed key can be restored for less than 30 days."
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/totesys-test" && aws_kms_alias.this.target_key_id == aws_kms_key.this.key_id
    error_message = "The alias does not carry the prefix, or is another key's."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      statement.Principal == { AWS = "arn:aws:iam::111122223333:root" } || can(statement.Principal.Service)
    ])
    error_message = "Somebody beside this account and services may use the key."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      strcontains(jsonencode(statement.Condition), "111122223333") && !contains(flatten([statement.Action]), "kms:*")
      if can(statement.Principal.Service)
    ])
    error_message = "A service may use the key for other accounts, or may do everything with it."
  }

  assert {
    condition = alltrue([
      for service in ["logs.eu-west-2.amazonaws.com", "cloudwatch.amazonaws.com", "budgets.amazonaws.com"] :
      contains(flatten([for statement in jsondecode(aws_kms_key.this.policy).Statement : try(statement.Principal.Service, [])]), service)
    ])
    error_message = "Log groups, alarms or budgets cannot use the key."
  }

  assert {
    condition     = output.arn == aws_kms_key.this.arn && output.id == aws_kms_key.this.key_id
    error_message = "The outputs are not the key's."
  }
}

run "refuses_a_name_in_capitals" {
  command         = plan
  expect_failures = [var.name]
  variables {
    name = "Totesys"
  }
}

run "refuses_a_long_name" {
  command         = plan
  expect_failures = [var.name]
  variables {
    name = "a-name-that-is-too-long-for-a-bucket"
  }
}

run "refuses_a_short_deletion_window" {
  command         = plan
  expect_failures = [var.deletion_window_days]
  variables {
    deletion_window_days = 3
  }
}
