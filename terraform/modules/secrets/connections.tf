# Connections and variables in the words that Airflow's SecretsManagerBackend reads: a connection is JSON, a variable is plain.

locals {
  connections = {
    totesys = {
      conn_type = "postgres"
      host      = var.source_database.host
      port      = var.source_database.port
      schema    = var.source_database.database
      login     = var.source_database.user
      extra = merge(
        { sslmode = var.source_database.sslmode },
        var.source_database.ca_bundle == null ? {} : { sslrootcert = var.source_database.ca_bundle },
      )
    }
    warehouse = {
      conn_type = "postgres"
      host      = var.warehouse.host
      port      = var.warehouse.port
      schema    = var.warehouse.database
      login     = "totesys_pipeline"
      extra = merge(
        { sslmode = var.warehouse.ca_bundle == null ? "require" : "verify-full" },
        var.warehouse.ca_bundle == null ? {} : { sslrootcert = var.warehouse.ca_bundle },
      )
    }
  }

  passwords         = { totesys = var.source_password, warehouse = var.warehouse_password }
  password_versions = { totesys = var.source_password_version, warehouse = var.warehouse_password_version }

  variables = merge(
    {
      ingestion_bucket        = var.buckets.ingestion
      processed_bucket        = var.buckets.processed
      state_bucket            = var.buckets.state
      alerts_topic_arn        = var.topic_arn
      metrics_namespace       = var.metrics_namespace
      warehouse_master_secret = var.warehouse_master_secret_arn
      lake_database           = var.lake_database
    },
    { for arn in var.api_secret_arns : "warehouse_api_secret" => arn },
  )
}
