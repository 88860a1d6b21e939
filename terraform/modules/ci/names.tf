# ARNs of what bears the prefix.
locals {
  named = {
    for service, names in {
      "airflow"        = ["environment/${var.name}", "environment/${var.name}-*", "role/${var.name}/*"]
      "athena"         = ["workgroup/${var.name}-*"]
      "cloudwatch"     = ["alarm:${var.name}-*"]
      "logs"           = ["log-group:airflow-${var.name}-*", "log-group:/aws/ec2/${var.name}-*", "log-group:/aws/rds/instance/${var.name}-*", "log-group:/aws/vpc/${var.name}/*"]
      "rds"            = ["db:${var.name}-*", "pg:${var.name}-*", "subgrp:${var.name}-*", "snapshot:${var.name}-*", "og:default:*"]
      "secretsmanager" = ["secret:${var.name}/*"]
      "sns"            = [var.name, "${var.name}-*"]
    } : service => [for name in names : "arn:${local.partition}:${service}:${local.region}:${local.account}:${name}"]
  }

  # Names of databases have no hyphens.
  databases = formatlist("${replace(var.name, "-", "_")}_%s", ["lake", "warehouse"])
  catalogue = [
    for name in concat(["catalog"], formatlist("database/%s", local.databases), formatlist("table/%s/*", local.databases), formatlist("userDefinedFunction/%s/*", local.databases)) :
    "arn:${local.partition}:glue:${local.region}:${local.account}:${name}"
  ]

  # Roles of the environment have a path of their own, below which there are no others.
  roles        = "arn:${local.partition}:iam::${local.account}:role/${var.name}/*"
  buckets      = ["arn:${local.partition}:s3:::${var.name}-${local.account}-*"]
  state_bucket = "arn:${local.partition}:s3:::${var.name}-${local.account}-terraform"
  budgets      = ["arn:${local.partition}:budgets::${local.account}:budget/${var.name}", "arn:${local.partition}:budgets::${local.account}:budget/${var.name}-*"]
  dashboards   = ["arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}", "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}-*"]
}
