locals {
  status = {
    type       = "alarm"
    properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
  }

  lag = {
    type = "metric"
    properties = {
      title       = "Lag: from a change at the source to the warehouse (s)"
      region      = local.region
      view        = "timeSeries"
      stat        = "Maximum"
      period      = local.interval
      yAxis       = { left = { min = 0, showUnits = false } }
      annotations = { horizontal = [{ label = "alarm", value = var.lag_seconds }] }
      metrics     = [[var.metrics_namespace, "LagSeconds", { label = "slowest table" }]]
    }
  }

  run_time = {
    type = "metric"
    properties = {
      title  = "Runs: time taken (s), and those that succeeded"
      region = local.region
      view   = "timeSeries"
      period = local.interval
      yAxis  = { left = { min = 0, showUnits = false }, right = { min = 0, showUnits = false } }
      metrics = [
        [var.metrics_namespace, "RunSeconds", { label = "time taken", stat = "Maximum" }],
        [var.metrics_namespace, "RunSucceeded", { label = "succeeded", stat = "Sum", yAxis = "right" }],
      ]
    }
  }

  # Tables are searched for, so that a new one shows up by itself.
  per_table = {
    for metric, title in {
      RowsNew      = "New rows per table"
      RowsChanged  = "Changed rows per table"
      RowsDeleted  = "Deleted rows per table"
      RowsRejected = "Rejected rows per table"
    } :
    metric => {
      type = "metric"
      properties = {
        title   = title
        region  = local.region
        view    = "timeSeries"
        stacked = true
        period  = local.interval
        yAxis   = { left = { min = 0, showUnits = false } }
        metrics = [[{ expression = "SEARCH('{\"${var.metrics_namespace}\",Table} MetricName=\"${metric}\"', 'Sum', ${local.interval})", label = "", id = "tables" }]]
      }
    }
  }

  tasks = {
    type = "metric"
    properties = {
      title  = "Airflow: tasks"
      region = local.region
      view   = "timeSeries"
      period = 300
      yAxis  = { left = { min = 0, showUnits = false } }
      metrics = [
        [local.airflow_metrics, "QueuedTasks", "Environment", var.environment_name, "Function", "Executor", { label = "queued", stat = "Maximum" }],
        [local.airflow_metrics, "RunningTasks", "Environment", var.environment_name, "Function", "Executor", { label = "running", stat = "Maximum" }],
      ]
    }
  }

  worker = {
    type = "metric"
    properties = {
      title  = "Airflow: the worker's memory and CPU (%)"
      region = local.region
      view   = "timeSeries"
      period = 300
      yAxis  = { left = { min = 0, max = 100, showUnits = false } }
      metrics = [
        [local.container_metrics, "MemoryUtilization", "Cluster", "BaseWorker", "Environment", var.environment_name, { label = "memory", stat = "Maximum" }],
        [local.container_metrics, "CPUUtilization", "Cluster", "BaseWorker", "Environment", var.environment_name, { label = "CPU", stat = "Average" }],
      ]
    }
  }

  warehouse_load = {
    type = "metric"
    properties = {
      title  = "Warehouse: CPU (%) and connections"
      region = local.region
      view   = "timeSeries"
      period = 300
      yAxis  = { left = { min = 0, max = 100, showUnits = false }, right = { min = 0, showUnits = false } }
      metrics = [
        ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.warehouse_identifier, { label = "CPU", stat = "Average" }],
        ["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.warehouse_identifier, { label = "connections", stat = "Maximum", yAxis = "right" }],
      ]
    }
  }

  warehouse_space = {
    type = "metric"
    properties = {
      title       = "Warehouse: free storage"
      region      = local.region
      view        = "timeSeries"
      period      = 300
      yAxis       = { left = { min = 0 } }
      annotations = { horizontal = [{ label = "alarm", value = var.free_storage_gib * pow(1024, 3) }] }
      metrics     = [["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", var.warehouse_identifier, { label = "free", stat = "Minimum" }]]
    }
  }
}
