locals {
  # What the API tells of itself: three metrics that are paid for, and one that has an alarm.
  row_of_api = [for api in var.apis : [
    {
      type = "metric"
      properties = {
        title  = "API: requests, errors, rejected keys"
        region = local.region
        view   = "timeSeries"
        stat   = "Sum"
        period = 300
        yAxis  = { left = { min = 0, showUnits = false } }
        metrics = [
          for metric, label in { requests = "requests", errors_5xx = "errors", rejected_keys = "rejected keys" } :
          [var.metrics_namespace, metric, "environment", var.environment_name, { label = label }]
        ]
      }
    },
    {
      type = "metric"
      properties = {
        title  = "API: time to answer (ms)"
        region = local.region
        view   = "timeSeries"
        period = 300
        yAxis  = { left = { min = 0, showUnits = false } }
        metrics = [
          for statistic in ["p50", "p99"] :
          [var.metrics_namespace, "latency_ms", "environment", var.environment_name, { label = statistic, stat = statistic }]
        ]
      }
    },
    {
      type = "metric"
      properties = {
        title   = "API: healthy instances"
        region  = local.region
        view    = "timeSeries"
        stat    = "Minimum"
        period  = 300
        yAxis   = { left = { min = 0, showUnits = false } }
        metrics = [["AWS/ApplicationELB", "HealthyHostCount", "TargetGroup", api.target_group, "LoadBalancer", api.load_balancer, { label = "healthy" }]]
      }
    },
  ]]
}
