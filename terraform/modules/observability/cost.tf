# A day above the limit, and a day unlike the ones before it (O10, property P31). Amazon's figures are
# some hours old.

resource "aws_budgets_budget" "daily" {
  name         = "${var.name}-daily"
  budget_type  = "COST"
  time_unit    = "DAILY"
  limit_amount = tostring(var.daily_cost_limit_usd)
  limit_unit   = "USD"

  notification {
    comparison_operator       = "GREATER_THAN"
    notification_type         = "ACTUAL"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.edge_alerts.arn]
  }

  depends_on = [aws_sns_topic_policy.edge_alerts]
}

resource "aws_ce_anomaly_monitor" "services" {
  name              = "${var.name}-services"
  monitor_type      = "DIMENSIONAL"
  monitor_dimension = "SERVICE"
}

resource "aws_ce_anomaly_subscription" "services" {
  name             = "${var.name}-services"
  frequency        = "IMMEDIATE"
  monitor_arn_list = [aws_ce_anomaly_monitor.services.arn]

  subscriber {
    type    = "SNS"
    address = aws_sns_topic.edge_alerts.arn
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(max(10, floor(var.daily_cost_limit_usd / 5)))]
    }
  }

  depends_on = [aws_sns_topic_policy.edge_alerts]
}
