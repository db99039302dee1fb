mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

run "thresholds" {
  command = apply

  assert {
    condition     = aws_cloudwatch_metric_alarm.error_rate.threshold == 1 && aws_cloudwatch_metric_alarm.error_rate.comparison_operator == "GreaterThanThreshold"
    error_message = "more than 1 % of 5xx is an alarm"
  }

  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.service_errors)) == toset(keys(var.target_group_arn_suffixes)) && alltrue([
      for alarm in aws_cloudwatch_metric_alarm.service_errors : alarm.threshold == 5
    ])
    error_message = "more than 5 % of errors of any service, on either stack, is an alarm"
  }

  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.no_healthy_target)) == toset(keys(var.target_group_arn_suffixes)) && alltrue([
      for alarm in aws_cloudwatch_metric_alarm.no_healthy_target : alarm.treat_missing_data == "breaching"
    ])
    error_message = "every target group without a healthy copy is an alarm, silence included"
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.errors_logged)) == var.services
    error_message = "every service has an alarm, with a path or without one"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.queue["failed"].threshold == 10 && aws_cloudwatch_metric_alarm.queue["failed"].metric_name == "dead_letters_last_hour"
    error_message = "more than 10 failed tasks in an hour are an alarm"
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.asset : alarm.metric_name => alarm.threshold } == {
      asset_revocation_oldest_seconds = 900, asset_move_oldest_seconds = 900, asset_rows_without_object = 0
    }
    error_message = "what stays public too long, moves too long or has lost its bytes is an alarm"
  }

  assert {
    condition = aws_cloudwatch_metric_alarm.cache_hits.threshold == 90 && alltrue([
      for role in ["public", "private"] :
      aws_cloudfront_monitoring_subscription.files[role].distribution_id == var.distribution_ids[role]
    ])
    error_message = "fewer cache hits than 90 % are an alarm, and both distributions report theirs"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.endpoint_down.treat_missing_data == "breaching" && aws_route53_health_check.api.fqdn == "api.funmagic.ai"
    error_message = "an endpoint that does not answer is an alarm"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.too_few_copies["asset"].threshold == 2
    error_message = "fewer copies than the minimum are an alarm"
  }

  assert {
    condition = aws_budgets_budget.daily.limit_amount == "100" && aws_budgets_budget.daily.time_unit == "DAILY" && anytrue([
      for filter in aws_budgets_budget.daily.cost_filter : filter.values == tolist(["user:Environment$test"])
    ])
    error_message = "a day above 100 USD is told"
  }

  assert {
    condition = aws_ce_anomaly_subscription.environment.monitor_arn_list == tolist([aws_ce_anomaly_monitor.environment.arn]) && (
      aws_ce_anomaly_subscription.environment.frequency == "IMMEDIATE"
    )
    error_message = "a cost out of pattern is told at once"
  }

  assert {
    condition = alltrue([
      for alarm in concat(
        [aws_cloudwatch_metric_alarm.error_rate, aws_cloudwatch_metric_alarm.queue_silent],
        values(aws_cloudwatch_metric_alarm.service_errors), values(aws_cloudwatch_metric_alarm.no_healthy_target),
        values(aws_cloudwatch_metric_alarm.too_few_copies), values(aws_cloudwatch_metric_alarm.queue),
        values(aws_cloudwatch_metric_alarm.errors_logged), values(aws_cloudwatch_metric_alarm.store),
        values(aws_cloudwatch_metric_alarm.counterpart), values(aws_cloudwatch_metric_alarm.asset),
      ) : contains(alarm.alarm_actions, aws_sns_topic.alerts.arn) && alarm.alarm_description != ""
      ]) && alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.endpoint_down, aws_cloudwatch_metric_alarm.cache_hits] :
      contains(alarm.alarm_actions, aws_sns_topic.edge_alerts.arn)
    ])
    error_message = "every alarm tells somebody, and what it means"
  }

  assert {
    condition = toset([for subscription in aws_sns_topic_subscription.alerts : subscription.endpoint]) == var.alert_emails && (
      toset([for subscription in aws_sns_topic_subscription.edge_alerts : subscription.endpoint]) == var.alert_emails
    )
    error_message = "both topics reach the same people"
  }

  assert {
    condition = alltrue([
      for dashboard in aws_cloudwatch_dashboard.this : length(jsondecode(dashboard.dashboard_body).widgets) >= 6
    ])
    error_message = "there is a page of what users feel, one of providers, and one of what it runs on"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_sns_topic_policy.edge_alerts.policy).Statement :
      statement.Action == "sns:Publish" && statement.Condition.StringEquals["aws:SourceAccount"] != ""
    ])
    error_message = "only our account's budgets and alarms publish"
  }
}

run "an_alarm_that_nobody_hears_is_refused" {
  command = plan

  variables {
    alert_emails = []
  }

  expect_failures = [var.alert_emails]
}
