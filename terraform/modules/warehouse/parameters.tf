locals {
  parameters = {
    "rds.force_ssl"              = "1"
    "ssl_min_protocol_version"   = "TLSv1.2"
    "password_encryption"        = "scram-sha-256"
    "log_connections"            = "1"
    "log_disconnections"         = "1"
    "log_lock_waits"             = "1"
    "log_statement"              = "ddl"
    "log_min_duration_statement" = "5000"
  }
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${local.identifier}-"
  description = "Settings of ${local.identifier}: TLS only; connections, changes of the schema and slow statements are logged"
  family      = "postgres${local.major}"

  dynamic "parameter" {
    for_each = local.parameters
    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  # Another major release needs another group before the old one can go.
  lifecycle {
    create_before_destroy = true
  }
}
