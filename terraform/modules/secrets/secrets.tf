locals {
  prefix = coalesce(var.secret_prefix, "${var.name}/airflow")

  secrets = merge(
    { for name in keys(local.connections) : "connections/${name}" => "Airflow's connection ${name} of ${var.name}" },
    { for name in keys(local.variables) : "variables/${name}" => "Airflow's variable ${name} of ${var.name}" },
  )

  values = merge(
    { for name, connection in local.connections : "connections/${name}" => jsonencode(merge(connection, { password = local.passwords[name] })) },
    { for name, value in local.variables : "variables/${name}" => value },
  )

  # A value that is written through a write-only argument is compared with nothing: a change of this number is what has it
  # written again. So the number follows everything in the value but the password, and the password's own version.
  versions = merge(
    { for name, connection in local.connections : "connections/${name}" => jsonencode([connection, local.password_versions[name]]) },
    { for name, value in local.variables : "variables/${name}" => value },
  )
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:The source's password is its owner's to change; raising a version writes a new one of either, and RDS rotates the master's.
  for_each = local.secrets

  name                    = "${local.prefix}/${each.key}"
  description             = each.value
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = local.secrets

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = local.values[each.key]
  secret_string_wo_version = parseint(substr(sha256(local.versions[each.key]), 0, 8), 16)
}
