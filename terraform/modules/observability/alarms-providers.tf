# What providers, payments and the books need people for: each is one metric of one service, whose series of
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
    payment-events-stuck = {
      service     = "credit"
      metric      = "payment_events_failed"
      statistic   = "Maximum"
      threshold   = 0
      description = "A payment contradicts its sale, or was given up after 20 tries: GET /api/admin/credits/payment-events?status=failed."
    }
    reservations-overdue = {
      service     = "credit"
      metric      = "reservation_overdue_seconds"
      statistic   = "Minimum"
      threshold   = 60
      description = "Credits are set aside past their deadline: the gateway's sweep does not end their tasks."
    }
    books-wrong = {
      service     = "credit"
      metric      = "ledger_findings"
      statistic   = "Maximum"
      threshold   = 0
      description = "The daily proof found rows that break a rule of the ledger. Run ledger:verify, and find out who wrote past the services."
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
