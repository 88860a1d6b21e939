# The environment's key stands here, as it has to outlive the environment: a last snapshot of the warehouse, and secrets and
# logs that are kept, are unreadable without it. It is also there before the roles that use it.
module "key" {
  source = "../modules/key"

  name = var.name
}

module "boundary" {
  source = "../modules/boundary"

  name    = var.name
  key_arn = module.key.arn
}
