output "plan_role_arn" {
  description = "ARN of the role with which pull requests plan."
  value       = aws_iam_role.plan.arn
}

output "apply_role_arn" {
  description = "ARN of the role with which the main branch applies."
  value       = aws_iam_role.apply.arn
}

output "oidc_provider_arn" {
  description = "ARN of the account's identity provider for GitHub, for the next copy in the account."
  value       = local.oidc_provider_arn
}
