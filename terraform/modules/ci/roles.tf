data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  github            = "token.actions.githubusercontent.com"
  oidc_provider_arn = var.oidc_provider_arn == null ? aws_iam_openid_connect_provider.github[0].arn : var.oidc_provider_arn

  # A repository says its name, or, from July 2026 on, its name with ids that nobody else can ever have.
  names      = split("/", var.github_repository)
  repository = var.github_ids == null ? var.github_repository : "${local.names[0]}@${var.github_ids.owner}/${local.names[1]}@${var.github_ids.repository}"

  # What GitHub says of the job that asks. Nothing here is a pattern. Of a job in an environment the subject does not say the
  # branch, and anybody who may push any branch could write such a job: so that is asked for apart.
  main = "refs/heads/main"
  claims = {
    plan = { sub = "repo:${local.repository}:pull_request" }
    apply = var.github_environment == null ? { sub = "repo:${local.repository}:ref:${local.main}" } : {
      sub = "repo:${local.repository}:environment:${var.github_environment}"
      ref = local.main
    }
  }

  trust = {
    for role, claims in local.claims : role => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Federated = local.oidc_provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = { StringEquals = { for name, value in merge({ aud = "sts.amazonaws.com" }, claims) : "${local.github}:${name}" => value } }
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
  # MWAA may take three hours to make or change an environment, RDS over one, and the first run is watched for another.
  max_session_duration = 21600
  assume_role_policy   = local.trust.apply
}

resource "aws_iam_role_policy" "plan" {
  name   = "plan"
  role   = aws_iam_role.plan.id
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(local.plan, var.api ? [local.image_parameter] : []) })
}

resource "aws_iam_role_policy" "apply" {
  name   = "apply"
  role   = aws_iam_role.apply.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.apply })
}
