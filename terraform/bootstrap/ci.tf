module "ci" {
  source = "../modules/ci"
  count  = var.github_repository == null ? 0 : 1

  name               = var.name
  github_repository  = var.github_repository
  github_environment = var.github_environment
  oidc_provider_arn  = var.github_oidc_provider_arn
}
