# Names and dimensions: "Apache Airflow metrics in CloudWatch" and "Container, queue, and database metrics" in MWAA's user guide.
# Of Airflow's own only those come that metrics.metrics_allow_list of the module airflow lets through.

locals {
  airflow_alarms = {
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

    import-errors = {
      description = "Airflow cannot import a DAG file, so no run is started. Its import errors, and the log DAGProcessing, say why."
      namespace   = local.airflow_metrics
      metric      = "ImportErrors"
      dimensions  = { Environment = var.environment_name, Function = "DAG Processing" }
      statistic   = "Minimum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 2
      # That no run succeeds is told by no-successful-run.
      missing = "notBreaching"
    }

    worker-memory = {
      description = "The worker's memory has been above ${var.container_percent} % for 15 minutes; soon the system may kill a task. Take a larger class."
      namespace   = local.container_metrics
      metric      = "MemoryUtilization"
      dimensions  = { Environment = var.environment_name, Cluster = "BaseWorker" }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.container_percent
      period      = 300
      periods     = 3
      # A worker that does not run is told by queued-tasks.
      missing = "notBreaching"
    }

    worker-cpu = {
      description = "The worker's processor has been busy above ${var.container_percent} % for 40 minutes, two runs on end. Take a larger class."
      namespace   = local.container_metrics
      metric      = "CPUUtilization"
      dimensions  = { Environment = var.environment_name, Cluster = "BaseWorker" }
      statistic   = "Average"
      comparison  = "GreaterThanThreshold"
      threshold   = var.container_percent
      period      = 300
      periods     = 8
      # A worker that does not run is told by queued-tasks.
      missing = "notBreaching"
    }
  }
}
