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
}

variables {
  name    = "totesys-test"
  key_arn = "arn:aws:kms:eu-west-2:111122223333:key/11112222-3333-4444-5555-666677778888"
}

run "buckets" {
  assert {
    condition = toset([for bucket in aws_s3_bucket.this : bucket.bucket]) == toset([
      for name in ["ingestion", "processed", "results", "state"] : "totesys-test-111122223333-${name}"
    ]) && aws_s3_bucket.access_logs.bucket == "totesys-test-111122223333-access-logs"
    error_message = "The buckets' names do not derive from the prefix and the account."
  }

  assert {
    condition     = !anytrue([for bucket in concat(values(aws_s3_bucket.this), [aws_s3_bucket.access_logs]) : bucket.force_destroy])
    error_message = "A bucket that is not empty can be destroyed."
  }

  assert {
    condition = keys(aws_s3_bucket_server_side_encryption_configuration.this) == keys(aws_s3_bucket.this) && alltrue([
      for encryption in aws_s3_bucket_server_side_encryption_configuration.this : alltrue([
        for rule in encryption.rule : rule.bucket_key_enabled
        && rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
        && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.key_arn
      ]) && length(encryption.rule) == 1
    ])
    error_message = "A bucket is not encrypted with the key."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.access_logs.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    ])
    error_message = "S3 delivers access logs only where the default encryption is SSE-S3."
  }

  assert {
    condition = keys(aws_s3_bucket_public_access_block.this) == keys(aws_s3_bucket.this) && alltrue([
      for block in concat(values(aws_s3_bucket_public_access_block.this), [aws_s3_bucket_public_access_block.access_logs]) :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "A bucket can be made public."
  }

  assert {
    condition = keys(aws_s3_bucket_ownership_controls.this) == keys(aws_s3_bucket.this) && alltrue([
      for controls in concat(values(aws_s3_bucket_ownership_controls.this), [aws_s3_bucket_ownership_controls.access_logs]) :
      controls.rule[0].object_ownership == "BucketOwnerEnforced"
    ])
    error_message = "Somebody else can own an object, or access lists count."
  }

  assert {
    condition = keys(aws_s3_bucket_versioning.this) == keys(aws_s3_bucket.this) && alltrue([
      for versioning in concat(values(aws_s3_bucket_versioning.this), [aws_s3_bucket_versioning.access_logs]) :
      versioning.versioning_configuration[0].status == "Enabled"
    ])
    error_message = "A bucket keeps no versions."
  }

  assert {
    condition = keys(aws_s3_bucket_logging.this) == keys(aws_s3_bucket.this) && alltrue([
      for name, logging in aws_s3_bucket_logging.this :
      logging.target_bucket == aws_s3_bucket.access_logs.id && logging.target_prefix == "${name}/"
    ])
    error_message = "Accesses to a bucket are not logged."
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.this) == 0
    error_message = "Objects are locked though nobody asked for it."
  }
}

run "policies" {
  assert {
    condition = keys(aws_s3_bucket_policy.this) == keys(aws_s3_bucket.this) && alltrue([
      for policy in concat(values(aws_s3_bucket_policy.this), [aws_s3_bucket_policy.access_logs]) : anytrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*"
        && length(statement.Resource) == 2 && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"
      ])
    ])
    error_message = "A bucket answers without TLS."
  }

  assert {
    condition = alltrue([
      for policy in concat(values(aws_s3_bucket_policy.this), [aws_s3_bucket_policy.access_logs]) : anytrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" && try(statement.Condition.NumericLessThan["s3:TlsVersion"], "") == "1.2"
      ])
    ])
    error_message = "A bucket answers to old TLS."
  }

  assert {
    condition = alltrue([
      for name, policy in aws_s3_bucket_policy.this : alltrue([
        for statement in jsondecode(policy.policy).Statement : alltrue([
          for arn in flatten([statement.Resource]) :
          contains(["arn:aws:s3:::totesys-test-111122223333-${name}", "arn:aws:s3:::totesys-test-111122223333-${name}/*"], arn)
        ])
      ])
    ])
    error_message = "A bucket's policy speaks of another bucket."
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this : anytrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" && try(statement.Condition.StringNotEquals["s3:x-amz-server-side-encryption-aws-kms-key-id"], "") == var.key_arn
      ])
    ])
    error_message = "A bucket takes objects that another key encrypts."
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this : alltrue([
        for statement in jsondecode(policy.policy).Statement :
        anytrue([for header, absent in try(statement.Condition.Null, {}) : absent == "false"])
        if can(statement.Condition.StringNotEquals)
      ])
    ])
    error_message = "A write that names no encryption is refused, though it takes the bucket's own."
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this : alltrue([
        for statement in jsondecode(policy.policy).Statement : statement.Effect == "Deny"
      ])
    ])
    error_message = "A bucket's policy allows something: roles alone do."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.access_logs.policy).Statement : statement if statement.Effect == "Allow"
      ] == [{
        Sid       = "LogsOfTheBucketsBeside"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "arn:aws:s3:::totesys-test-111122223333-access-logs/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = "111122223333" }
          ArnEquals = { "aws:SourceArn" = [
            "arn:aws:s3:::totesys-test-111122223333-ingestion",
            "arn:aws:s3:::totesys-test-111122223333-processed",
            "arn:aws:s3:::totesys-test-111122223333-results",
            "arn:aws:s3:::totesys-test-111122223333-state",
          ] }
        }
    }]
    error_message = "Others than S3's log delivery for these four buckets can write access logs."
  }
}

run "logs_of_a_load_balancer" {
  command = plan
  variables {
    load_balancers = ["totesys-test-api"]
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.access_logs.policy).Statement : statement if statement.Sid == "LogsOfTheLoadBalancer"
      ] == [{
        Sid       = "LogsOfTheLoadBalancer"
        Effect    = "Allow"
        Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "arn:aws:s3:::totesys-test-111122223333-access-logs/totesys-test-api/AWSLogs/111122223333/*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = "111122223333" }
          ArnLike      = { "aws:SourceArn" = "arn:aws:elasticloadbalancing:eu-west-2:111122223333:loadbalancer/app/totesys-test-api/*" }
        }
    }]
    error_message = "The load balancer's logs are not delivered, or those of others are."
  }
}

run "catalogue" {
  assert {
    condition     = output.database == "totesys_test_lake" && aws_glue_catalog_database.lake.name == output.database
    error_message = "The lake's database does not carry the prefix."
  }

  assert {
    condition     = one(aws_glue_catalog_database.lake.create_table_default_permission).principal[0].data_lake_principal_identifier == "IAM_ALLOWED_PRINCIPALS"
    error_message = "Lake Formation decides about the lake's tables, and nobody told it what."
  }
}

run "life_cycle" {
  assert {
    condition = alltrue([
      for name in ["ingestion", "processed"] : alltrue([
        for rule in aws_s3_bucket_lifecycle_configuration.this[name].rule : rule.status == "Enabled" && alltrue([
          for transition in rule.transition : transition.days == 90 && transition.storage_class == "GLACIER_IR"
        ]) && length(rule.transition) == 1 && length(rule.expiration) == 0
      ]) && length(aws_s3_bucket_lifecycle_configuration.this[name].rule) == 1
    ])
    error_message = "Data files do not move to colder storage after 90 days, or expire though nobody asked for it."
  }

  assert {
    condition = keys(aws_s3_bucket_lifecycle_configuration.this) == keys(aws_s3_bucket.this) && alltrue([
      for life in concat(values(aws_s3_bucket_lifecycle_configuration.this), [aws_s3_bucket_lifecycle_configuration.access_logs]) : anytrue([
        for rule in life.rule :
        rule.status == "Enabled" && rule.abort_incomplete_multipart_upload[0].days_after_initiation == 7
        && rule.noncurrent_version_expiration[0].noncurrent_days >= 30
      ])
    ])
    error_message = "Unfinished uploads or older versions stay for ever in a bucket, or older versions go at once."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this["state"].rule :
      length(rule.expiration) == 0 && length(rule.transition) == 0 && rule.noncurrent_version_expiration[0].noncurrent_days == 90
    ])
    error_message = "The state or the code of Airflow expires, or the way back to older ones is short."
  }
}

run "locked_and_expiring" {
  variables {
    object_lock_days  = 30
    cold_after_days   = 60
    expire_after_days = 400
  }

  assert {
    condition = keys(aws_s3_bucket_object_lock_configuration.this) == ["ingestion", "processed"] && alltrue([
      for lock in aws_s3_bucket_object_lock_configuration.this :
      lock.rule[0].default_retention[0].mode == "GOVERNANCE" && lock.rule[0].default_retention[0].days == 30
    ])
    error_message = "The data buckets, and they alone, are not locked for 30 days."
  }

  assert {
    condition = alltrue([
      for name in ["ingestion", "processed"] : alltrue([
        for rule in aws_s3_bucket_lifecycle_configuration.this[name].rule : alltrue([for transition in rule.transition : transition.days == 60])
      ])
    ])
    error_message = "Data files do not move after 60 days."
  }

  assert {
    condition = toset(flatten([
      for name, life in aws_s3_bucket_lifecycle_configuration.this : [
        for rule in life.rule : "${name} ${rule.id} ${rule.expiration[0].days}" if length(rule.expiration) > 0
      ]
      ])) == toset(["ingestion age 400", "processed rejected 400", "results age 30"]) && alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this["processed"].rule : rule.filter[0].prefix == "rejected/" if rule.id == "rejected"
    ])
    error_message = "CSV files or rejected rows do not expire after 400 days, results after 30, or files of the lake do."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this["state"].rule : length(rule.expiration) == 0])
    error_message = "The state expires with the data."
  }
}

run "outputs" {
  assert {
    condition = alltrue([
      for name, bucket in { ingestion = output.ingestion, processed = output.processed, results = output.results, state = output.state } :
      bucket.bucket == "totesys-test-111122223333-${name}" && bucket.arn == aws_s3_bucket.this[name].arn
    ]) && output.access_logs == "totesys-test-111122223333-access-logs"
    error_message = "An output is not its bucket's."
  }
}

run "refuses_a_key_that_is_an_alias" {
  command         = plan
  expect_failures = [var.key_arn]
  variables {
    key_arn = "alias/aws/s3"
  }
}

run "refuses_to_expire_before_it_is_cold" {
  command         = plan
  expect_failures = [var.expire_after_days]
  variables {
    expire_after_days = 90
  }
}

run "refuses_to_expire_what_is_locked" {
  command         = plan
  expect_failures = [var.expire_after_days]
  variables {
    object_lock_days  = 365
    expire_after_days = 200
  }
}

run "refuses_a_lock_of_no_days" {
  command         = plan
  expect_failures = [var.object_lock_days]
  variables {
    object_lock_days = 0
  }
}

run "refuses_cold_at_once" {
  command         = plan
  expect_failures = [var.cold_after_days]
  variables {
    cold_after_days = 0
  }
}
