output "secret_arns" {
  description = "ARNs of every secret that Airflow may read, in the order of their names."
  value       = [for name in sort(keys(local.secrets)) : aws_secretsmanager_secret.this[name].arn]
  # Who waits for these ARNs waits for the values too.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "connections_prefix" {
  description = "What the names of the connections' secrets begin with."
  value       = "${local.prefix}/connections"
}

output "variables_prefix" {
  description = "What the names of the variables' secrets begin with."
  value       = "${local.prefix}/variables"
}

output "variable_names" {
  description = "Names of the variables, sorted: Airflow looks no others up."
  value       = sort(keys(local.variables))
}

output "versions" {
  description = "Number of each secret's value as Terraform last wrote it, by name; it changes when the value is written again."
  value       = { for name, version in aws_secretsmanager_secret_version.this : name => version.secret_string_wo_version }
}
