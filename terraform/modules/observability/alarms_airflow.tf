# Names and dimensions: "Apache Airflow metrics in CloudWatch" in MWAA's user guide.

locals {
  airflow_alarms = {
    task-failures = {
      description = "Tasks failed. Their logs say why; a failure that a retry can heal is retried by itself."
      namespace   = local.airflow_metrics
      metric      = "TaskInstanceFailures"
      dimensions  = { Environment = var.environment_name, DAG = "All", Task = "All" }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = local.interval
      periods     = 1
      # It counts failures, and is published when there is one.
      missing = "notBreaching"
    }

    scheduler-heartbeat = {
      description = "Airflow's schedulers have given no sign of life for 15 minutes. Look at the environment's status and its scheduler log."
      namespace   = local.airflow_metrics
      metric      = "SchedulerHeartbeat"
      dimensions  = { Environment = var.environment_name, Function = "Scheduler" }
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = 300
      periods     = 3
      # A scheduler that is dead publishes nothing.
      missing = "breaching"
    }

    queued-tasks = {
      description = "More than ${var.queued_tasks} tasks have waited for a worker for 20 minutes. Look at the workers' log, or allow more workers."
      namespace   = local.airflow_metrics
      metric      = "QueuedTasks"
      dimensions  = { Environment = var.environment_name, Function = "Executor" }
      statistic   = "Minimum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.queued_tasks
      period      = 300
      periods     = 4
      # A scheduler that says nothing is told by scheduler-heartbeat.
      missing = "notBreaching"
    }
  }
}
