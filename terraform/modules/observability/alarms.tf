# One entry an alarm. `missing` is what no data means, which is different for each, and told beside it.

locals {
  alarms = merge(local.pipeline_alarms, local.airflow_alarms, local.warehouse_alarms, local.alarms_of_api)

  airflow_metrics   = "AmazonMWAA"
  container_metrics = "AWS/MWAA"
  interval          = 20 * 60 # seconds between two runs of the schedule
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  actions_enabled     = true
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}
