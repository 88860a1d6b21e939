# Each module takes what it needs of the others; only what the bootstrap made is found by name. What differs between environments stands
# in <env>.tfvars (sizes and safety, the project's) and <env>.local.tfvars (names and addresses, yours), and nowhere else.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# `make bootstrap` makes the key and the boundary, which outlive the environment.
data "aws_kms_key" "this" {
  key_id = "alias/${var.name}"
}

locals {
  key_arn           = data.aws_kms_key.this.arn
  boundary_arn      = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:policy/${var.name}-boundary"
  metrics_namespace = "ToteSys/${var.name}"
}

module "network" {
  source = "../modules/network"

  name               = var.name
  key_arn            = local.key_arn
  boundary_arn       = local.boundary_arn
  cidr               = var.cidr
  reach              = var.reach
  endpoint_services  = var.endpoint_services
  instances          = var.api != null
  existing           = var.existing_network
  zones              = var.zones
  reader_cidrs       = var.reader_cidrs
  web_cidrs          = var.web_cidrs
  log_retention_days = var.log_retention_days
  source_route = {
    cidr    = var.source_database.cidr
    port    = var.source_database.port
    peering = var.source_database.peering
  }
}

module "lake" {
  source = "../modules/lake"

  name              = var.name
  key_arn           = local.key_arn
  object_lock_days  = var.object_lock_days
  cold_after_days   = var.cold_after_days
  expire_after_days = var.expire_after_days
  force_destroy     = !var.deletion_protection
  load_balancers    = var.api == null ? [] : ["${var.name}-api"]
}

module "warehouse" {
  source = "../modules/warehouse"

  name                      = var.name
  key_arn                   = local.key_arn
  boundary_arn              = local.boundary_arn
  subnet_ids                = module.network.private_subnet_ids
  security_group_id         = module.network.warehouse_security_group_id
  engine_version            = var.warehouse.engine_version
  instance_class            = var.warehouse.instance_class
  allocated_storage_gib     = var.warehouse.allocated_storage_gib
  max_allocated_storage_gib = var.warehouse.max_allocated_storage_gib
  multi_az                  = var.warehouse.multi_az
  deletion_protection       = var.deletion_protection
  backup_retention_days     = var.warehouse.backup_retention_days
  skip_final_snapshot       = var.warehouse.skip_final_snapshot
  log_retention_days        = var.log_retention_days
}

module "observability" {
  source = "../modules/observability"

  name                 = var.name
  key_arn              = local.key_arn
  emails               = var.emails
  environment_name     = var.name # The secrets need the topic before the environment, which needs the secrets, exists.
  warehouse_identifier = module.warehouse.identifier
  metrics_namespace    = local.metrics_namespace
  free_storage_gib     = var.warehouse.free_storage_gib
  connections          = var.warehouse.connections
  monthly_budget_usd   = var.monthly_budget_usd
  budget_tag           = var.budget_tag
  apis                 = [for api in module.api : { load_balancer = api.load_balancer, target_group = api.target_group }]
}

module "secrets" {
  source = "../modules/secrets"

  name                        = var.name
  key_arn                     = local.key_arn
  recovery_window_days        = var.recovery_window_days
  source_password             = var.source_password
  source_password_version     = var.source_password_version
  warehouse_password          = var.warehouse_password
  warehouse_password_version  = var.warehouse_password_version
  warehouse_master_secret_arn = module.warehouse.master_secret_arn
  topic_arn                   = module.observability.topic_arn
  metrics_namespace           = local.metrics_namespace
  source_database = {
    host      = var.source_database.host
    port      = var.source_database.port
    database  = var.source_database.database
    user      = var.source_database.user
    sslmode   = var.source_database.sslmode
    ca_bundle = var.source_database.ca_bundle
  }
  warehouse = {
    host      = module.warehouse.address
    port      = module.warehouse.port
    database  = module.warehouse.database
    ca_bundle = var.warehouse.ca_bundle
  }
  buckets = {
    ingestion = module.lake.ingestion.bucket
    processed = module.lake.processed.bucket
    state     = module.lake.state.bucket
  }
  lake_database   = module.lake.database
  api_secret_arns = module.api[*].secret_arn
}

module "api" {
  source = "../modules/api"
  count  = var.api == null ? 0 : 1

  name                 = var.name
  key_arn              = local.key_arn
  boundary_arn         = local.boundary_arn
  network              = module.network
  certificate_arn      = var.api.certificate_arn
  client_cidrs         = var.api.client_cidrs
  public_subnet_ids    = var.api.public_subnet_ids
  architecture         = var.api.architecture
  instance_type        = var.api.instance_type
  min_instances        = var.api.min_instances
  max_instances        = var.api.max_instances
  deletion_protection  = var.deletion_protection
  recovery_window_days = var.recovery_window_days
  log_retention_days   = var.log_retention_days
  access_logs_bucket   = module.lake.access_logs
  metrics_namespace    = local.metrics_namespace
  state_bucket         = module.lake.state
  processed_bucket     = module.lake.processed
  package_folder       = var.package_folder
  warehouse_password   = var.api_password
  cursor_key           = var.api_cursor_key
  secret_version       = var.api.secret_version
  warehouse = {
    host     = module.warehouse.address
    port     = module.warehouse.port
    database = module.warehouse.database
  }
}

module "analytics" {
  source = "../modules/analytics"
  count  = var.analytics == null ? 0 : 1

  name                 = var.name
  key_arn              = local.key_arn
  boundary_arn         = local.boundary_arn
  analysts             = var.analytics.analysts
  scan_limit_gib       = var.analytics.scan_limit_gib
  results_bucket       = module.lake.results
  processed_bucket_arn = module.lake.processed.arn
  lake_database        = module.lake.database
  views_file           = "${var.package_folder}/views.json"
}

module "airflow" {
  source = "../modules/airflow"

  name               = var.name
  key_arn            = local.key_arn
  boundary_arn       = local.boundary_arn
  subnet_ids         = module.network.private_subnet_ids
  security_group_ids = [module.network.airflow_security_group_id]
  bucket             = module.lake.state
  package_folder     = var.package_folder
  airflow_version    = var.airflow.version
  environment_class  = var.airflow.environment_class
  min_workers        = var.airflow.min_workers
  max_workers        = var.airflow.max_workers
  schedulers         = var.airflow.schedulers
  web_access         = var.web_access

  maintenance_window_start    = var.airflow.maintenance_window_start
  worker_replacement_strategy = var.airflow.worker_replacement_strategy

  log_retention_days   = var.log_retention_days
  connections_prefix   = module.secrets.connections_prefix
  variables_prefix     = module.secrets.variables_prefix
  variable_names       = module.secrets.variable_names
  ingestion_bucket_arn = module.lake.ingestion.arn
  processed_bucket_arn = module.lake.processed.arn
  lake_database        = module.lake.database
  secret_arns          = concat(module.secrets.secret_arns, module.api[*].secret_arn)
  master_secret_arn    = module.warehouse.master_secret_arn
  topic_arn            = module.observability.topic_arn
  metrics_namespace    = local.metrics_namespace
}
