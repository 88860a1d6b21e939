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
    defaults = { arn = "arn:aws:iam::111122223333:policy/totesys-test-ci-api" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  name              = "totesys-test"
  github_repository = "octo-org/totesys"
  key_arn           = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
  state_key_arn     = "arn:aws:kms:eu-west-2:111122223333:key/99992222-3333-4444-5555-666677778888"
  boundary_arn      = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
}

run "trust" {
  assert {
    condition     = aws_iam_openid_connect_provider.github[0].url == "https://token.actions.githubusercontent.com" && aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "The identity provider is not GitHub's, or takes tokens meant for others."
  }

  assert {
    condition = alltrue([
      for role, subject in {
        (aws_iam_role.plan.assume_role_policy)  = "repo:octo-org/totesys:pull_request"
        (aws_iam_role.apply.assume_role_policy) = "repo:octo-org/totesys:ref:refs/heads/main"
        } : jsonencode(jsondecode(role).Statement) == jsonencode([{
          Effect    = "Allow"
          Principal = { Federated = aws_iam_openid_connect_provider.github[0].arn }
          Action    = "sts:AssumeRoleWithWebIdentity"
          Condition = { StringEquals = {
            "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
            "token.actions.githubusercontent.com:sub" = subject
          } }
      }])
    ])
    error_message = "Others than this repository's pull requests plan, or others than its main branch apply."
  }

  assert {
    condition     = output.plan_role_arn == aws_iam_role.plan.arn && output.apply_role_arn == aws_iam_role.apply.arn && output.oidc_provider_arn == aws_iam_openid_connect_provider.github[0].arn
    error_message = "An output is not its role's."
  }
}

run "permissions" {
  assert {
    condition = alltrue([
      for action in flatten([for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Action]) :
      can(regex("^(ec2:Describe[A-Z][A-Za-z]+|s3:ListBucket|s3:GetObject|kms:Decrypt|kms:DescribeKey|secretsmanager:GetRandomPassword)$", action))
    ])
    error_message = "A pull request can do more than read the state and ask for zones, or can read a secret."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement :
      alltrue([for arn in flatten([statement.Resource]) : startswith(arn, "arn:aws:s3:::totesys-test-111122223333-terraform")])
      if anytrue([for action in flatten([statement.Action]) : startswith(action, "s3:")])
    ])
    error_message = "A pull request reads another bucket than that of Terraform's state."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement :
      statement.Resource == var.state_key_arn && statement.Condition == { StringEquals = { "kms:ViaService" = "s3.eu-west-2.amazonaws.com" } }
      if contains(flatten([statement.Action]), "kms:Decrypt")
    ])
    error_message = "A pull request can decrypt more than the state."
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_role_policy.plan.policy).Statement, jsondecode(aws_iam_role_policy.apply.policy).Statement) :
      can(statement.Condition) || alltrue([
        for action in flatten([statement.Action]) : can(regex("^[a-z0-9]+:(Describe|List|GetRandomPassword)", action))
      ])
      if statement.Effect == "Allow" && contains(flatten([statement.Resource]), "*")
    ])
    error_message = "A statement changes whatever it likes."
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.apply.policy).Statement :
      statement.Effect == "Deny" && length(setsubtract(["arn:aws:iam::111122223333:role/totesys-test-ci-*", var.boundary_arn], flatten([statement.Resource]))) == 0
    ])
    error_message = "The role can widen itself."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.apply.policy).Statement : can(statement.Condition)
      if length(setintersection(flatten([try(statement.Action, [])]), ["iam:PassRole", "iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:CreateServiceLinkedRole"])) > 0
    ])
    error_message = "The role can give any role to any service, attach any policy, or write a role without a boundary."
  }

  assert {
    condition     = length(aws_iam_role_policy.apply.policy) < 10240
    error_message = "IAM takes 10,240 characters of policies in a role."
  }
}

run "without_an_api" {
  assert {
    condition     = length(aws_iam_policy.api) + length(aws_iam_role_policy_attachment.api) == 0 && !strcontains(aws_iam_role_policy.plan.policy, "ssm:")
    error_message = "The workflow may make instances though there is no API."
  }
}

run "api" {
  variables {
    api = true
  }

  assert {
    condition     = aws_iam_role_policy_attachment.api[0].role == aws_iam_role.apply.name && aws_iam_role_policy_attachment.api[0].policy_arn == aws_iam_policy.api[0].arn && length(aws_iam_policy.api[0].policy) < 6144
    error_message = "The API's policy is not the role's, or is longer than IAM takes."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.api[0].policy).Statement : can(statement.Condition)
      if length(setintersection(flatten([statement.Action]), ["ec2:RunInstances", "iam:PassRole", "iam:CreateServiceLinkedRole", "ec2:CreateTags"])) > 0
    ])
    error_message = "The role can make any instance, or give any role to any service."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Resource if statement.Action == "ssm:GetParameter"
    ] == ["arn:aws:ssm:eu-west-2::parameter/aws/service/ami-amazon-linux-latest/*"]
    error_message = "A pull request does not find the newest image, or reads parameters of the account."
  }
}

run "environment_and_provider_given" {
  variables {
    github_environment = "prod"
    oidc_provider_arn  = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition = jsondecode(aws_iam_role.apply.assume_role_policy).Statement[0].Condition == { StringEquals = {
      "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      "token.actions.githubusercontent.com:sub" = "repo:octo-org/totesys:environment:prod"
      "token.actions.githubusercontent.com:ref" = "refs/heads/main"
    } }
    error_message = "Jobs of the environment cannot apply, or those of other branches can."
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && jsondecode(aws_iam_role.plan.assume_role_policy).Statement[0].Principal.Federated == var.oidc_provider_arn
    error_message = "A second identity provider is made, which AWS refuses."
  }
}

run "immutable_ids" {
  variables {
    github_ids = { owner = "123456", repository = "456789" }
  }

  assert {
    condition = [for role in [aws_iam_role.plan, aws_iam_role.apply] : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]] == [
      "repo:octo-org@123456/totesys@456789:pull_request", "repo:octo-org@123456/totesys@456789:ref:refs/heads/main",
    ]
    error_message = "A repository that says its ids is not trusted, or one that has only its name is."
  }
}

run "refuses_what_is_no_id" {
  command         = plan
  expect_failures = [var.github_ids]
  variables {
    github_ids = { owner = "octo-org", repository = "*" }
  }
}

run "refuses_every_repository_of_an_owner" {
  command         = plan
  expect_failures = [var.github_repository]
  variables {
    github_repository = "octo-org/*"
  }
}

run "refuses_patterns_of_environments_and_other_providers" {
  command         = plan
  expect_failures = [var.github_environment, var.oidc_provider_arn, var.name]
  variables {
    name               = "T"
    github_environment = "*"
    oidc_provider_arn  = "arn:aws:iam::111122223333:oidc-provider/example.com"
  }
}
