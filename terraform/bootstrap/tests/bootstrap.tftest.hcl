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
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/totesys-test-boundary" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  name = "totesys-test"
}

run "state_bucket" {
  assert {
    condition     = aws_s3_bucket.state.bucket == "totesys-test-111122223333-terraform" && output.state_bucket == aws_s3_bucket.state.bucket && !aws_s3_bucket.state.force_destroy
    error_message = "The bucket's name does not derive from the prefix and the account, or it can be destroyed with its states."
  }

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "An older state cannot be had back."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.state.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
      && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.state.arn
    ]) && aws_kms_key.state.enable_key_rotation && aws_kms_alias.state.name == "alias/totesys-test-terraform"
    error_message = "The state is not encrypted with its key."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.state.block_public_acls,
      aws_s3_bucket_public_access_block.state.block_public_policy,
      aws_s3_bucket_public_access_block.state.ignore_public_acls,
      aws_s3_bucket_public_access_block.state.restrict_public_buckets,
      aws_s3_bucket_ownership_controls.state.rule[0].object_ownership == "BucketOwnerEnforced",
    ])
    error_message = "The state can be made public."
  }

  assert {
    condition = slice(jsondecode(aws_s3_bucket_policy.state.policy).Statement[*].Sid, 0, 2) == ["RefuseOldTls", "RefuseWithoutTls"] && alltrue([
      for statement in slice(jsondecode(aws_s3_bucket_policy.state.policy).Statement, 0, 2) :
      statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*"
      && jsonencode(statement.Resource) == jsonencode(["arn:aws:s3:::totesys-test-111122223333-terraform", "arn:aws:s3:::totesys-test-111122223333-terraform/*"])
    ]) && strcontains(aws_s3_bucket_policy.state.policy, "{\"aws:SecureTransport\":\"false\"}")
    error_message = "The bucket answers without TLS, or to old TLS."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_s3_bucket_policy.state.policy).Statement : statement.Sid => jsonencode(statement.Condition)
      if statement.Action == "s3:PutObject" && statement.Effect == "Deny"
      } == {
      RefuseOtherEncryption = jsonencode({
        Null            = { "s3:x-amz-server-side-encryption" = "false" }
        StringNotEquals = { "s3:x-amz-server-side-encryption" = "aws:kms" }
      })
      RefuseOtherKey = jsonencode({
        Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
        StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = aws_kms_key.state.arn }
      })
    }
    error_message = "A state can be written with another key, or cannot be written without naming one."
  }

  assert {
    condition     = length(module.ci) == 0 && output.plan_role_arn == null && output.apply_role_arn == null
    error_message = "Roles for GitHub are made though nobody asked for them."
  }
}

run "key" {
  assert {
    condition     = output.key_arn == module.key.arn && module.boundary.arn == "arn:aws:iam::111122223333:policy/totesys-test-boundary"
    error_message = "The environment's key or the boundary of its roles is not told."
  }
}

run "roles_for_github" {
  variables {
    github_repository = "octo-org/totesys"
  }

  assert {
    condition     = output.plan_role_arn != null && output.apply_role_arn != null && output.github_oidc_provider_arn == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    error_message = "The roles for GitHub are missing."
  }
}

run "refuses_other_names_and_regions" {
  command         = plan
  expect_failures = [var.name, var.region]
  variables {
    name   = "totesys_test"
    region = "London"
  }
}
