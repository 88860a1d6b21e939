mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-2" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "totesys-test-warehouse.mock.eu-west-2.rds.amazonaws.com"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:rds!db-mock" }]
    }
  }
}

variables {
  name              = "totesys-test"
  key_arn           = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
  boundary_arn      = "arn:aws:iam::111122223333:policy/totesys-test-boundary"
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-warehouse"
}

run "warehouse" {
  assert {
    condition     = aws_db_instance.this.engine == "postgres" && aws_db_instance.this.engine_version == "17" && aws_db_instance.this.auto_minor_version_upgrade
    error_message = "It is not PostgreSQL 17 with its newest minor release."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.key_arn
    error_message = "Storage is not encrypted with the key."
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.master_user_secret_kms_key_id == var.key_arn
    error_message = "RDS does not make and rotate the master password, or encrypts it with another key."
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.vpc_security_group_ids == toset(["sg-warehouse"])
    error_message = "The warehouse is public, or in another security group."
  }

  assert {
    condition     = aws_db_subnet_group.this.subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_db_instance.this.db_subnet_group_name == aws_db_subnet_group.this.name
    error_message = "The warehouse is not in the subnets given."
  }

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "By default, a failing zone or a destroy loses the warehouse."
  }

  assert {
    condition     = startswith(aws_db_instance.this.final_snapshot_identifier, "totesys-test-warehouse-final-2")
    error_message = "The last snapshot has no name of its own."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 14 && aws_db_instance.this.copy_tags_to_snapshot
    error_message = "Backups are not kept for 14 days, with their tags."
  }

  assert {
    condition     = aws_db_instance.this.performance_insights_enabled && aws_db_instance.this.performance_insights_kms_key_id == var.key_arn
    error_message = "Performance insights are off, or encrypted with another key."
  }

  assert {
    condition     = aws_db_instance.this.max_allocated_storage > aws_db_instance.this.allocated_storage && aws_db_instance.this.storage_type == "gp3"
    error_message = "Storage cannot grow."
  }
}

run "settings" {
  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17" && aws_db_instance.this.parameter_group_name == aws_db_parameter_group.this.name
    error_message = "The parameter group is not the instance's, or of another release."
  }

  assert {
    condition = alltrue([
      for name, value in {
        "rds.force_ssl"            = "1"
        "ssl_min_protocol_version" = "TLSv1.2"
        "password_encryption"      = "scram-sha-256"
        "log_connections"          = "1"
        "log_statement"            = "ddl"
      } : anytrue([for parameter in aws_db_parameter_group.this.parameter : parameter.name == name && parameter.value == value])
    ])
    error_message = "Plain-text connections, old TLS or md5 passwords are let in, or connections or changes of the schema not logged."
  }
}

run "logs" {
  assert {
    condition     = toset(aws_db_instance.this.enabled_cloudwatch_logs_exports) == toset(["postgresql", "upgrade"])
    error_message = "The logs do not go to CloudWatch."
  }

  assert {
    condition = alltrue([
      for name in aws_db_instance.this.enabled_cloudwatch_logs_exports :
      aws_cloudwatch_log_group.this[name].name == "/aws/rds/instance/totesys-test-warehouse/${name}"
      && aws_cloudwatch_log_group.this[name].kms_key_id == var.key_arn
      && aws_cloudwatch_log_group.this[name].retention_in_days == 365
    ])
    error_message = "A log has no log group with the key and a retention."
  }

  assert {
    condition     = aws_db_instance.this.monitoring_interval == 60 && aws_db_instance.this.monitoring_role_arn == aws_iam_role.monitoring.arn
    error_message = "The operating system's metrics are not collected."
  }

  assert {
    condition = jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Principal == { Service = "monitoring.rds.amazonaws.com" } && jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "111122223333" }
      ArnEquals    = { "aws:SourceArn" = "arn:aws:rds:eu-west-2:111122223333:db:totesys-test-warehouse" }
    }
    error_message = "Others than RDS for this instance can take the monitoring role."
  }
}

run "boundary" {
  assert {
    condition     = aws_iam_role.monitoring.permissions_boundary == var.boundary_arn && aws_iam_role.monitoring.path == "/totesys-test/"
    error_message = "The role has no boundary, or lies where the workflow may not write it."
  }
}

run "outputs" {
  assert {
    condition = (
      output.address == aws_db_instance.this.address && output.port == 5432 && output.database == "warehouse"
      && output.identifier == "totesys-test-warehouse" && aws_db_instance.this.identifier == output.identifier
      && aws_db_instance.this.db_name == output.database && aws_db_instance.this.port == output.port
      && aws_db_instance.this.username == "totesys_admin"
      && output.master_secret_arn == "arn:aws:secretsmanager:eu-west-2:111122223333:secret:rds!db-mock"
    )
    error_message = "An output is not the instance's."
  }
}

run "cheap_and_disposable" {
  variables {
    engine_version            = "16.10"
    multi_az                  = false
    deletion_protection       = false
    skip_final_snapshot       = true
    backup_retention_days     = 1
    instance_class            = "db.t4g.micro"
    allocated_storage_gib     = 30
    max_allocated_storage_gib = 40
    log_retention_days        = 30
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres16" && aws_db_instance.this.engine_version == "16.10"
    error_message = "The parameter group is of another major release."
  }

  assert {
    condition     = !aws_db_instance.this.multi_az && !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.delete_automated_backups
    error_message = "The variables do not reach the instance."
  }

  assert {
    condition     = aws_db_instance.this.instance_class == "db.t4g.micro" && aws_db_instance.this.allocated_storage == 30 && aws_db_instance.this.max_allocated_storage == 40 && aws_db_instance.this.backup_retention_period == 1
    error_message = "The variables do not reach the instance."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this["postgresql"].retention_in_days == 30
    error_message = "The variable does not reach the log groups."
  }
}

run "refuses_one_subnet" {
  command         = plan
  expect_failures = [var.subnet_ids]
  variables {
    subnet_ids = ["subnet-1", "subnet-1"]
  }
}

run "refuses_no_backups" {
  command         = plan
  expect_failures = [var.backup_retention_days]
  variables {
    backup_retention_days = 0
  }
}

run "refuses_storage_that_cannot_grow" {
  command         = plan
  expect_failures = [var.max_allocated_storage_gib]
  variables {
    allocated_storage_gib = 100
  }
}

run "refuses_another_engine" {
  command         = plan
  expect_failures = [var.engine_version, var.instance_class, var.log_retention_days, var.key_arn]
  variables {
    engine_version     = "8.0.39"
    instance_class     = "t4g.micro"
    log_retention_days = 8
    key_arn            = "alias/aws/rds"
  }
}
