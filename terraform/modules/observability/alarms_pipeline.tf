locals {
  pipeline_alarms = {
    no-successful-run = {
      description = "No run of the pipeline has succeeded for ${var.silence_minutes} minutes. Look at the last runs of the DAG in Airflow."
      namespace   = var.metrics_namespace
      metric      = "RunSucceeded"
      dimensions  = {}
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = var.silence_minutes * 60 / 2
      periods     = 2
      # A run that does not happen publishes nothing: silence is what this alarm is for.
      missing = "breaching"
    }

    # Not Airflow's count of failed tasks: that one counts attempts that a retry healed, and no task that fails for good at once.
    run-failed = {
      description = "A run of the pipeline failed. The message about it names the tasks; their logs say why."
      namespace   = var.metrics_namespace
      metric      = "RunSucceeded"
      dimensions  = {}
      statistic   = "Minimum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = local.interval
      periods     = 1
      # A run that does not happen is told by no-successful-run.
      missing = "notBreaching"
    }

    lag = {
      description = "Changes reach the warehouse more than ${var.lag_seconds} seconds after they were made at the source."
      namespace   = var.metrics_namespace
      metric      = "LagSeconds"
      dimensions  = {}
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.lag_seconds
      period      = local.interval
      periods     = 1
      # A run that finds no change has no lag; one that does not happen is told by no-successful-run.
      missing = "notBreaching"
    }

    rejected-rows = {
      description = "Rows could not be loaded. The files under rejected/ in the processed bucket hold them with the reasons."
      namespace   = var.metrics_namespace
      metric      = "RowsRejected"
      dimensions  = {}
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = local.interval
      periods     = 1
      # A run that loads nothing rejects nothing; one that does not happen is told by no-successful-run.
      missing = "notBreaching"
    }
  }
}
