mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-2" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-2:111122223333:alarm:of-the-test" }
  }
}

variables {
  name                 = "totesys-test"
  key_arn              = "arn:aws:kms:eu-west-2:111122223333:key/1"
  emails               = ["data@example.com", "boss@example.com"]
  environment_name     = "totesys-test"
  warehouse_identifier = "totesys-test-warehouse"
  metrics_namespace    = "ToteSys/totesys-test"
  monthly_budget_usd   = 300
}

run "topic" {
  assert {
    condition     = aws_sns_topic.alerts.kms_master_key_id == var.key_arn
    error_message = "The topic is not encrypted with the key."
  }

  assert {
    condition = (
      toset([for mail in aws_sns_topic_subscription.email : mail.endpoint]) == var.emails
      && alltrue([for mail in aws_sns_topic_subscription.email : mail.protocol == "email" && mail.topic_arn == output.topic_arn])
    )
    error_message = "Somebody who asked for mail gets none."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_sns_topic_policy.alerts.policy).Statement : statement if statement.Effect == "Allow"
      ] == [{
        Sid       = "AlarmsAndBudgetOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = "sns:Publish"
        Resource  = output.topic_arn
        Condition = { StringEquals = { "aws:SourceAccount" = "111122223333" } }
    }]
    error_message = "Others than this account's alarms and budgets may publish, or these may not."
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_sns_topic_policy.alerts.policy).Statement :
      statement.Effect == "Deny" && statement.Principal == "*" && try(statement.Condition.Bool["aws:SecureTransport"] == "false", false)
    ])
    error_message = "Messages may be sent without TLS."
  }
}

run "alarms" {
  assert {
    condition = output.alarm_names == tolist([
      "totesys-test-import-errors", "totesys-test-lag", "totesys-test-no-successful-run", "totesys-test-queued-tasks", "totesys-test-rejected-rows",
      "totesys-test-run-failed", "totesys-test-scheduler-heartbeat", "totesys-test-warehouse-connections",
      "totesys-test-warehouse-cpu", "totesys-test-warehouse-storage", "totesys-test-worker-cpu", "totesys-test-worker-memory",
    ])
    error_message = "An alarm is missing, or one is not described here."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.actions_enabled && contains(alarm.alarm_actions, output.topic_arn) && contains(alarm.ok_actions, output.topic_arn)
    ])
    error_message = "An alarm tells nobody, or does not tell when it is over."
  }

  # Silence is an alarm where something always speaks, and none where it speaks only of trouble.
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.treat_missing_data } == {
      no-successful-run     = "breaching"
      scheduler-heartbeat   = "breaching"
      warehouse-storage     = "breaching"
      lag                   = "notBreaching"
      rejected-rows         = "notBreaching"
      run-failed            = "notBreaching"
      queued-tasks          = "notBreaching"
      import-errors         = "notBreaching"
      worker-memory         = "notBreaching"
      worker-cpu            = "notBreaching"
      warehouse-cpu         = "notBreaching"
      warehouse-connections = "notBreaching"
    }
    error_message = "Missing data means something else for an alarm than it should."
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${alarm.namespace} ${alarm.metric_name} ${jsonencode(alarm.dimensions)}" } == {
      no-successful-run     = "ToteSys/totesys-test RunSucceeded {}"
      lag                   = "ToteSys/totesys-test LagSeconds {}"
      rejected-rows         = "ToteSys/totesys-test RowsRejected {}"
      run-failed            = "ToteSys/totesys-test RunSucceeded {}"
      scheduler-heartbeat   = "AmazonMWAA SchedulerHeartbeat {\"Environment\":\"totesys-test\",\"Function\":\"Scheduler\"}"
      import-errors         = "AmazonMWAA ImportErrors {\"Environment\":\"totesys-test\",\"Function\":\"DAG Processing\"}"
      worker-memory         = "AWS/MWAA MemoryUtilization {\"Cluster\":\"BaseWorker\",\"Environment\":\"totesys-test\"}"
      worker-cpu            = "AWS/MWAA CPUUtilization {\"Cluster\":\"BaseWorker\",\"Environment\":\"totesys-test\"}"
      queued-tasks          = "AmazonMWAA QueuedTasks {\"Environment\":\"totesys-test\",\"Function\":\"Executor\"}"
      warehouse-storage     = "AWS/RDS FreeStorageSpace {\"DBInstanceIdentifier\":\"totesys-test-warehouse\"}"
      warehouse-cpu         = "AWS/RDS CPUUtilization {\"DBInstanceIdentifier\":\"totesys-test-warehouse\"}"
      warehouse-connections = "AWS/RDS DatabaseConnections {\"DBInstanceIdentifier\":\"totesys-test-warehouse\"}"
    }
    error_message = "An alarm watches a metric that nobody publishes."
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.evaluation_periods * alarm.period / 60}" } == {
      no-successful-run     = "Sum LessThanThreshold 1 40"
      lag                   = "Maximum GreaterThanThreshold 1800 20"
      rejected-rows         = "Sum GreaterThanThreshold 0 20"
      run-failed            = "Minimum LessThanThreshold 1 20"
      scheduler-heartbeat   = "Sum LessThanThreshold 1 15"
      queued-tasks          = "Minimum GreaterThanThreshold 10 20"
      import-errors         = "Minimum GreaterThanThreshold 0 10"
      worker-memory         = "Maximum GreaterThanThreshold 90 15"
      worker-cpu            = "Average GreaterThanThreshold 90 40"
      warehouse-storage     = "Minimum LessThanThreshold 2147483648 15"
      warehouse-cpu         = "Average GreaterThanThreshold 90 30"
      warehouse-connections = "Minimum GreaterThanThreshold 80 15"
    }
    error_message = "An alarm is raised at another threshold, or after another time, than it should be."
  }
}

run "dashboard" {
  assert {
    condition = toset(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [
        for metric in try(widget.properties.metrics, []) : try("${metric[0]} ${metric[1]}", regex("MetricName=\"(\\w+)\"", metric[0].expression)[0])
      ]
      ])) == toset([
      "ToteSys/totesys-test LagSeconds", "ToteSys/totesys-test RunSeconds", "ToteSys/totesys-test RunSucceeded",
      "RowsNew", "RowsChanged", "RowsDeleted", "RowsRejected",
      "AmazonMWAA QueuedTasks", "AmazonMWAA RunningTasks", "AWS/MWAA MemoryUtilization", "AWS/MWAA CPUUtilization",
      "AWS/RDS CPUUtilization", "AWS/RDS DatabaseConnections", "AWS/RDS FreeStorageSpace",
    ])
    error_message = "The dashboard does not show lag, run time, rows per table, rejected rows, tasks, the worker and the warehouse."
  }

  assert {
    condition = length([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget
      if widget.type == "alarm" && try(length(widget.properties.alarms) == 12, false)
    ]) == 1
    error_message = "The dashboard does not show every alarm."
  }

  # A name with a / has to stand in quotation marks in a search.
  assert {
    condition = contains(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : try(metric[0].expression, "")]
    ]), "SEARCH('{\"ToteSys/totesys-test\",Table} MetricName=\"RowsNew\"', 'Sum', 1200)")
    error_message = "Tables are not searched for, so that a new one would not show up."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets :
      widget.x + widget.width <= 24 && floor(widget.x) == widget.x && floor(widget.width) == widget.width
    ])
    error_message = "A widget does not fit into the dashboard's grid of 24 columns."
  }
}

run "budget" {
  assert {
    condition     = aws_budgets_budget.monthly.time_unit == "MONTHLY" && aws_budgets_budget.monthly.limit_amount == "300" && aws_budgets_budget.monthly.limit_unit == "USD"
    error_message = "The budget is not the month's 300 US dollars."
  }

  assert {
    condition = toset([
      for notification in aws_budgets_budget.monthly.notification :
      "${notification.notification_type} ${notification.threshold} ${notification.threshold_type} ${one(notification.subscriber_sns_topic_arns)}"
      ]) == toset([
      "FORECASTED 80 PERCENTAGE arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts",
      "ACTUAL 100 PERCENTAGE arn:aws:sns:eu-west-2:111122223333:totesys-test-alerts",
    ])
    error_message = "Nobody is told when 80 % is forecast or all is spent."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly.cost_filter) == 0
    error_message = "Without a tag, some of the account's costs do not count."
  }
}

run "budget_of_a_tag" {
  command = plan
  variables {
    budget_tag = { key = "Environment", value = "totesys-test" }
  }

  assert {
    condition     = one(aws_budgets_budget.monthly.cost_filter).name == "TagKeyValue" && one(aws_budgets_budget.monthly.cost_filter).values[0] == "user:Environment$totesys-test"
    error_message = "The budget does not count the costs of the tag."
  }
}

run "api" {
  variables {
    apis = [{ load_balancer = "app/totesys-test-api/1", target_group = "targetgroup/totesys-test-api/2" }]
  }

  assert {
    condition     = length(output.alarm_names) == 17 && aws_cloudwatch_metric_alarm.this["api-unhealthy"].dimensions == tomap({ LoadBalancer = "app/totesys-test-api/1", TargetGroup = "targetgroup/totesys-test-api/2" })
    error_message = "An alarm of the API is missing, or watches another load balancer."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["api-slow"].extended_statistic == "p99" && aws_cloudwatch_metric_alarm.this["api-slow"].threshold == 2 && aws_cloudwatch_metric_alarm.this["api-errors"].statistic == "Sum"
    error_message = "The slowest answers are averaged away."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["api-rejected-keys"].metric_name == "rejected_keys" && aws_cloudwatch_metric_alarm.this["api-rejected-keys"].namespace == var.metrics_namespace
      && aws_cloudwatch_metric_alarm.this["api-rejected-keys"].dimensions == tomap({ environment = "totesys-test" })
    )
    error_message = "Wrong keys are not heard of."
  }

  assert {
    condition     = alltrue([for metric in ["requests", "errors_5xx", "rejected_keys", "latency_ms"] : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${metric}\"")])
    error_message = "A metric of the API is paid for that nobody looks at."
  }
}
