output "state_bucket" {
  description = "Name of the bucket that holds Terraform's state."
  value       = aws_s3_bucket.state.bucket
}

output "region" {
  description = "Region of the bucket."
  value       = var.region
}

output "plan_role_arn" {
  description = "ARN of the role with which GitHub's pull requests plan; null without a repository."
  value       = one(module.ci[*].plan_role_arn)
}

output "apply_role_arn" {
  description = "ARN of the role with which GitHub's main branch applies; null without a repository."
  value       = one(module.ci[*].apply_role_arn)
}

output "github_oidc_provider_arn" {
  description = "ARN of the account's identity provider for GitHub, for the next copy in the account; null without a repository."
  value       = one(module.ci[*].oidc_provider_arn)
}

output "key_arn" {
  description = "ARN of the key that encrypts everything of the environment."
  value       = module.key.arn
}
