# The way of a task, by the gateway's own metrics (libs/task, services/task-gateway).

locals {
  queue_alarms = {
    # The seeds' dead-letter queue > 10.
    failed = {
      metric      = "dead_letters_last_hour"
      threshold   = 10
      description = "More than 10 tasks of the last hour failed, and not by what they were given. Why: GET /api/admin/tasks/dead-letters/groups."
    }
    # Wake-ups that the dispatcher cannot hand over: Redis is away or full.
    unsent = {
      metric      = "outbox_oldest_unsent_age_seconds"
      threshold   = 60
      description = "Wake-ups have not reached the queue for a minute. Is the queue's Redis there, and has it memory?"
    }
    waiting = {
      metric      = "bullmq_waiting"
      threshold   = 200
      description = "Tasks pile up faster than the workers take them. Are the workers scaled to their maximum?"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "queue" {
  for_each = local.queue_alarms

  alarm_name          = "${var.name}-queue-${each.key}"
  alarm_description   = each.value.description
  namespace           = var.name
  metric_name         = each.value.metric
  dimensions          = { service = "task-gateway" }
  statistic           = "Maximum"
  period              = 60
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# Silence is no good news: without these metrics nothing above could ever sound.
resource "aws_cloudwatch_metric_alarm" "queue_silent" {
  alarm_name          = "${var.name}-queue-silent"
  alarm_description   = "The gateway's metrics do not arrive: is its collector running?"
  namespace           = var.name
  metric_name         = "bullmq_waiting"
  dimensions          = { service = "task-gateway" }
  statistic           = "SampleCount"
  period              = 300
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# A line at level 50 or 60 is an error of ours; the metric is by service, the alarm too.
resource "aws_cloudwatch_log_metric_filter" "errors" {
  for_each = var.services

  name           = "${var.name}-${each.key}-errors"
  log_group_name = var.log_group_names[each.key]
  pattern        = "{ $.level >= 50 }"

  metric_transformation {
    namespace     = var.name
    name          = "${each.key}-errors-logged"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "errors_logged" {
  for_each = var.services

  alarm_name          = "${var.name}-${each.key}-errors-logged"
  alarm_description   = "${each.key} logs errors: more than 20 in five minutes."
  namespace           = var.name
  metric_name         = aws_cloudwatch_log_metric_filter.errors[each.key].metric_transformation[0].name
  statistic           = "Sum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 20
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}
