locals {
  identifier = "${var.name}-warehouse"
  database   = "warehouse"
  port       = 5432
  major      = split(".", var.engine_version)[0]
}

resource "aws_db_subnet_group" "this" {
  name        = local.identifier
  description = "Private subnets of ${local.identifier}"
  subnet_ids  = var.subnet_ids
}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_157:multi_az is a variable, on unless an environment says otherwise
  #checkov:skip=CKV_AWS_293:deletion_protection is a variable, on unless an environment says otherwise
  identifier     = local.identifier
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  db_name        = local.database
  port           = local.port

  # RDS makes the password, keeps it in Secrets Manager and rotates it every seven days by itself. A schedule of our
  # own (aws_secretsmanager_secret_rotation) would add nothing: the secret belongs to RDS.
  username                      = "totesys_admin"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.key_arn

  iam_database_authentication_enabled = true
  ca_cert_identifier                  = "rds-ca-rsa2048-g1"
  parameter_group_name                = aws_db_parameter_group.this.name

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.security_group_id]
  publicly_accessible    = false
  multi_az               = var.multi_az

  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.key_arn
  allocated_storage     = var.allocated_storage_gib
  max_allocated_storage = var.max_allocated_storage_gib

  backup_retention_period   = var.backup_retention_days
  backup_window             = "01:00-01:30"
  maintenance_window        = "sun:02:00-sun:03:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = !var.deletion_protection
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = var.skip_final_snapshot
  final_snapshot_identifier = var.skip_final_snapshot ? null : "${local.identifier}-final-${terraform_data.made_at.output}"

  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false
  # What was planned happens when it is applied, not in a night to come.
  apply_immediately = true

  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = 7
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]

  # RDS would make the log groups itself, unencrypted and for ever.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy_attachment.monitoring]
}

# A second destroy must not meet the snapshot that the first one left, so its name holds when the warehouse was made.
resource "terraform_data" "made_at" {
  input = formatdate("YYYYMMDDhhmm", timestamp())

  lifecycle {
    ignore_changes = [input]
  }
}
