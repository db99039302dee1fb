# What users feel: errors and silence (O10). Each alarm says what to look at first; the runbook has
# the rest. Rates count only when there is something to count.

locals {
  requests_min = 20
}

# 5xx > 1 %, of all requests that reached the load balancer.
resource "aws_cloudwatch_metric_alarm" "error_rate" {
  alarm_name          = "${var.name}-5xx-rate"
  alarm_description   = "More than 1 % of all requests fail. Which service? See its error-rate alarm and log."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 1
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]

  metric_query {
    id          = "rate"
    label       = "5xx in percent"
    expression  = "IF(requests >= ${local.requests_min}, 100 * (FILL(target, 0) + FILL(balancer, 0)) / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      requests = "RequestCount"
      target   = "HTTPCode_Target_5XX_Count"
      balancer = "HTTPCode_ELB_5XX_Count"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = var.load_balancer_arn_suffix }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

# A service's errors > 5 %, on either stack.
resource "aws_cloudwatch_metric_alarm" "service_errors" {
  for_each = var.target_group_arn_suffixes

  alarm_name          = "${var.name}-${replace(each.key, "/", "-")}-errors"
  alarm_description   = "More than 5 % of the answers of ${each.key} are errors of ours."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]

  metric_query {
    id          = "rate"
    label       = "Errors in percent"
    expression  = "IF(requests >= ${local.requests_min}, 100 * FILL(errors, 0) / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { requests = "RequestCount", errors = "HTTPCode_Target_5XX_Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = each.value }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "no_healthy_target" {
  for_each = var.target_group_arn_suffixes

  alarm_name          = "${var.name}-${replace(each.key, "/", "-")}-down"
  alarm_description   = "No copy of ${each.key} passes its health check."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = each.value }
  statistic           = "Minimum"
  period              = 60
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# Property P1: fewer copies than asked for, for longer than a replacement takes.
resource "aws_cloudwatch_metric_alarm" "too_few_copies" {
  for_each = var.fargate_services

  alarm_name          = "${var.name}-${each.key}-copies"
  alarm_description   = "Fargate runs fewer copies of ${each.key} than its minimum."
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = var.cluster_name, ServiceName = each.key }
  statistic           = "Minimum"
  period              = 60
  comparison_operator = "LessThanThreshold"
  threshold           = each.value
  evaluation_periods  = 5
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# Endpoint down, asked from outside through DNS, CloudFront, firewall and load balancer.
resource "aws_route53_health_check" "api" {
  fqdn              = var.api_host
  type              = "HTTPS"
  port              = 443
  resource_path     = "/api/tools"
  request_interval  = 30
  failure_threshold = 3
  measure_latency   = true
  tags              = { Name = var.name }
}

resource "aws_cloudwatch_metric_alarm" "endpoint_down" {
  provider = aws.us_east_1

  alarm_name          = "${var.name}-endpoint-down"
  alarm_description   = "https://${var.api_host}/api/tools does not answer from outside."
  namespace           = "AWS/Route53"
  metric_name         = "HealthCheckStatus"
  dimensions          = { HealthCheckId = aws_route53_health_check.api.id }
  statistic           = "Minimum"
  period              = 60
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.edge_alerts.arn]
  ok_actions          = [aws_sns_topic.edge_alerts.arn]
}
