# Names and dimensions: "CloudWatch metrics for your Application Load Balancer" in its user guide. What only the API knows it tells
# itself, in the lines of its log.

locals {
  alarms_of_api = merge([for api in var.apis : {
    api-errors = {
      description = "More than ${var.api_errors} answers of the API within 5 minutes were errors of its own. Its log says why."
      namespace   = "AWS/ApplicationELB"
      metric      = "HTTPCode_Target_5XX_Count"
      dimensions  = { LoadBalancer = api.load_balancer }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.api_errors
      period      = 300
      periods     = 1
      # Where nobody is answered wrongly there is no metric.
      missing = "notBreaching"
    }

    api-unanswered = {
      description = "The API's load balancer found nobody to answer within 5 minutes, more than ${var.api_errors} times. Look at the instances."
      namespace   = "AWS/ApplicationELB"
      metric      = "HTTPCode_ELB_5XX_Count"
      dimensions  = { LoadBalancer = api.load_balancer }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.api_errors
      period      = 300
      periods     = 1
      # Where everybody is answered there is no metric.
      missing = "notBreaching"
    }

    api-slow = {
      description = "One of 100 answers of the API has begun after ${var.api_seconds} seconds or later, for 15 minutes. Look at the warehouse."
      namespace   = "AWS/ApplicationELB"
      metric      = "TargetResponseTime"
      dimensions  = { LoadBalancer = api.load_balancer }
      statistic   = "p99"
      comparison  = "GreaterThanThreshold"
      threshold   = var.api_seconds
      period      = 300
      periods     = 3
      # Where nobody asks there is no metric.
      missing = "notBreaching"
    }

    api-unhealthy = {
      description = "An instance of the API has been unhealthy for 15 minutes, or there is none. Its log, and that of its start, say why."
      namespace   = "AWS/ApplicationELB"
      metric      = "UnHealthyHostCount"
      dimensions  = { LoadBalancer = api.load_balancer, TargetGroup = api.target_group }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      period      = 300
      periods     = 3
      # The load balancer counts as long as there are instances: without one there is no metric.
      missing = "breaching"
    }

    api-rejected-keys = {
      description = "More than ${var.rejected_keys} requests to the API within 5 minutes had no key that may. Its log names them."
      namespace   = var.metrics_namespace
      metric      = "rejected_keys"
      dimensions  = { environment = var.environment_name }
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.rejected_keys
      period      = 300
      periods     = 1
      # Where nobody is rejected there may be no metric.
      missing = "notBreaching"
    }
  }]...)
}
