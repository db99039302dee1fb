# A day above the limit, and a day unlike the ones before it (O10, property P31), by the tag that
# every resource of an environment has: an account may hold several. Amazon's figures are some hours
# old, and know the tag once it is activated (terraform/README.md).

locals {
  environment_tag = trimprefix(var.name, "funmagic-")
}

resource "aws_budgets_budget" "daily" {
  name         = "${var.name}-daily"
  budget_type  = "COST"
  time_unit    = "DAILY"
  limit_amount = tostring(var.daily_cost_limit_usd)
  limit_unit   = "USD"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", local.environment_tag)]
  }

  notification {
    comparison_operator       = "GREATER_THAN"
    notification_type         = "ACTUAL"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.edge_alerts.arn]
  }

  depends_on = [aws_sns_topic_policy.edge_alerts]
}

# A monitor of all services exists once in an account; one by tag, once in each environment.
resource "aws_ce_anomaly_monitor" "environment" {
  name         = var.name
  monitor_type = "CUSTOM"

  monitor_specification = jsonencode({
    Tags = { Key = "Environment", Values = [local.environment_tag], MatchOptions = ["EQUALS"] }
  })
}

resource "aws_ce_anomaly_subscription" "environment" {
  name             = var.name
  frequency        = "IMMEDIATE"
  monitor_arn_list = [aws_ce_anomaly_monitor.environment.arn]

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
