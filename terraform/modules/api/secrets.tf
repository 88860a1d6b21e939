# What the API reads when it starts, in its own words: where the warehouse is, and as whom; and who may ask it. The pipeline reads
# the first one, too, and makes the login.

locals {
  secrets = {
    api      = "The API's login in the warehouse of ${var.name}, and the key of its cursors"
    api-keys = "Who may ask the API of ${var.name}: keys, hashed, as `python -m serve key` writes them"
  }

  login = {
    host     = var.warehouse.host
    port     = var.warehouse.port
    dbname   = var.warehouse.database
    username = "totesys_api"
  }

  values = {
    api = jsonencode({ warehouse = merge(local.login, { password = var.warehouse_password }), cursor_key = var.cursor_key })
    # Nobody, at first. What is added later is not Terraform's, and never written over.
    api-keys = jsonencode([])
  }

  # As in the module secrets: a change has the value written again, and follows all of it but what is random.
  versions = {
    api      = jsonencode([local.login, var.secret_version])
    api-keys = "nobody"
  }
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:Raising secret_version writes a new password, which the pipeline gives to the login; keys are their owners'
  for_each = local.secrets

  name                    = "${var.name}/${each.key}"
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
