module "ci" {
  source = "../modules/ci"
  count  = var.github_repository == null ? 0 : 1

  name               = var.name
  github_repository  = var.github_repository
  github_ids         = var.github_ids
  github_environment = var.github_environment
  oidc_provider_arn  = var.github_oidc_provider_arn
  key_arn            = module.key.arn
  state_key_arn      = aws_kms_key.state.arn
  boundary_arn       = module.boundary.arn
  api                = var.api
}
