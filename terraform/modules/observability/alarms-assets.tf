# What users see of their files, by the asset service's own metrics (services/asset/src/events.ts).

locals {
  asset_alarms = {
    # Edges forget within a minute; the service tells them anew after ten.
    revocation-late = {
      metric      = "asset_revocation_oldest_seconds"
      threshold   = 900
      description = "A picture that is public no longer is still served, for 15 minutes. Who published it believes that it is gone."
    }
    move-late = {
      metric      = "asset_move_oldest_seconds"
      threshold   = 900
      description = "Bytes have been on their way between buckets for 15 minutes. Is the store there? last_error says why."
    }
    bytes-missing = {
      metric      = "asset_rows_without_object"
      threshold   = 0
      description = "Assets have lost their bytes: look for them among the versions of the bucket."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "asset" {
  for_each = local.asset_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = var.name
  metric_name         = each.value.metric
  dimensions          = { service = "asset" }
  statistic           = "Maximum"
  period              = 60
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}
