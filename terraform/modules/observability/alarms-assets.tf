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

# Whether edges have what is asked for, by the distributions' own metrics, which AWS keeps only for
# those that are subscribed to.
resource "aws_cloudfront_monitoring_subscription" "files" {
  for_each = { for role in ["public", "private"] : role => var.distribution_ids[role] }

  distribution_id = each.value

  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = "Enabled"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "cache_hits" {
  provider = aws.us_east_1

  alarm_name          = "${var.name}-cache-hits"
  alarm_description   = "For three hours fewer than 90 % of the requests for public files were answered by an edge (A11)."
  comparison_operator = "LessThanThreshold"
  threshold           = 90
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.edge_alerts.arn]
  ok_actions          = [aws_sns_topic.edge_alerts.arn]

  # Where few ask, most are the first to ask, and nothing is wrong.
  metric_query {
    id          = "rate"
    label       = "Cache hits in percent, of a thousand requests or more"
    expression  = "IF(requests >= 1000, hits, 100)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { hits = { name = "CacheHitRate", stat = "Average" }, requests = { name = "Requests", stat = "Sum" } }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/CloudFront"
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        period      = 3600
        dimensions  = { DistributionId = var.distribution_ids.public, Region = "Global" }
      }
    }
  }
}
