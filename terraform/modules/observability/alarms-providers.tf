# What providers and payments need people for: each is one metric of one service, whose series of
# several providers CloudWatch takes together.

locals {
  counterpart_alarms = {
    provider-key-refused = {
      service     = "provider-worker"
      metric      = "provider_unhealthy"
      statistic   = "Maximum"
      threshold   = 0
      description = "A provider refuses our key; its tasks are refused or run elsewhere. Enter a good key (PUT /api/admin/providers)."
    }
    provider-down = {
      service     = "provider-worker"
      metric      = "provider_breaker_open"
      statistic   = "Maximum"
      threshold   = 0
      description = "The circuit breaker of a provider stays open. Look at the provider's status page."
    }
    provider-budget = {
      service     = "task-gateway"
      metric      = "provider_budget_used_ratio"
      statistic   = "Maximum"
      threshold   = 0.8
      description = "80 % of what may be spent at a provider today is spent. At all of it new tasks are refused until midnight UTC."
    }
    payment-events-failed = {
      service     = "credit"
      metric      = "credit_sweep_failures_total"
      statistic   = "Sum"
      threshold   = 5
      description = "Payments or credits cannot be brought up to date. Look at the credit service's log and at the payment events."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "counterpart" {
  for_each = local.counterpart_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = var.name
  metric_name         = each.value.metric
  dimensions          = { service = each.value.service }
  statistic           = each.value.statistic
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}
