data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  github            = "token.actions.githubusercontent.com"
  oidc_provider_arn = var.oidc_provider_arn == null ? aws_iam_openid_connect_provider.github[0].arn : var.oidc_provider_arn

  # What GitHub says of the job that asks. Nothing here is a pattern.
  subjects = {
    plan  = "repo:${var.github_repository}:pull_request"
    apply = var.github_environment == null ? "repo:${var.github_repository}:ref:refs/heads/main" : "repo:${var.github_repository}:environment:${var.github_environment}"
  }

  trust = {
    for role, subject in local.subjects : role => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Federated = local.oidc_provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = { StringEquals = { "${local.github}:aud" = "sts.amazonaws.com", "${local.github}:sub" = subject } }
      }]
    })
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.github}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "plan" {
  name                 = "${var.name}-ci-plan"
  description          = "Pull requests of ${var.github_repository} plan ${var.name} with it: it reads"
  max_session_duration = 3600
  assume_role_policy   = local.trust.plan
}

resource "aws_iam_role" "apply" {
  name        = "${var.name}-ci-apply"
  description = "The main branch of ${var.github_repository} applies ${var.name} with it"
  # An environment of MWAA takes half an hour to come, and up to two hours to be updated.
  max_session_duration = 10800
  assume_role_policy   = local.trust.apply
}

resource "aws_iam_role_policy" "plan" {
  name   = "plan"
  role   = aws_iam_role.plan.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.plan })
}

resource "aws_iam_role_policy" "apply" {
  name   = "apply"
  role   = aws_iam_role.apply.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.apply })
}
