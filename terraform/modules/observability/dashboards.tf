# Three pages: what users feel, what providers do, and what it runs on. A widget is one line of the tables below.

locals {
  region = data.aws_region.current.region

  traffic_widgets = concat(
    [
      {
        title   = "Requests and errors", region = local.region
        metrics = [for metric in ["RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_4XX_Count"] : ["AWS/ApplicationELB", metric, "LoadBalancer", var.load_balancer_arn_suffix, { stat = "Sum" }]]
      },
      {
        title   = "Latency", region = local.region
        metrics = [for stat in ["p50", "p95", "p99"] : ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.load_balancer_arn_suffix, { stat = stat, label = stat }]]
      },
      {
        title   = "Errors by service", region = local.region
        metrics = [for key, suffix in var.target_group_arn_suffixes : ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.load_balancer_arn_suffix, "TargetGroup", suffix, { stat = "Sum", label = key }]]
      },
      {
        title   = "Healthy copies by service", region = local.region
        metrics = [for key, suffix in var.target_group_arn_suffixes : ["AWS/ApplicationELB", "HealthyHostCount", "LoadBalancer", var.load_balancer_arn_suffix, "TargetGroup", suffix, { stat = "Minimum", label = key }]]
      },
      {
        title   = "Tasks in the queue", region = local.region
        metrics = [for metric in ["bullmq_waiting", "bullmq_active", "bullmq_failed", "outbox_unsent"] : [var.name, metric, "service", "task-gateway", { stat = "Maximum" }]]
      },
      {
        title   = "Wait of the oldest task in seconds", region = local.region
        metrics = [[var.name, "task_oldest_wait_seconds", "service", "task-gateway", { stat = "Maximum" }]]
      },
      {
        title   = "Open streams", region = local.region
        metrics = [[var.name, "streams_open", "service", "progress", { stat = "Maximum" }]]
      },
      {
        # The goal is above 90 % for the public files (A11, property P32).
        title   = "Cache hits of the CDN in percent", region = "us-east-1"
        metrics = [for role in ["public", "private"] : ["AWS/CloudFront", "CacheHitRate", "DistributionId", var.distribution_ids[role], "Region", "Global", { stat = "Average", label = role }]]
      },
      {
        title   = "Errors at the edge in percent", region = "us-east-1"
        metrics = [for role, id in var.distribution_ids : ["AWS/CloudFront", "5xxErrorRate", "DistributionId", id, "Region", "Global", { stat = "Average", label = role }]]
      },
    ],
  )

  # What the models' makers do to us (O10): by provider, as the workers and the gateway see it.
  provider_widgets = [
    {
      title   = "Calls by provider", region = local.region
      metrics = [[{ expression = "SEARCH('{${var.name},service,provider} MetricName=\"provider_api_duration_seconds\"', 'SampleCount')", label = "" }]]
    },
    {
      title   = "Seconds of a call by provider", region = local.region
      metrics = [[{ expression = "SEARCH('{${var.name},service,provider} MetricName=\"provider_api_duration_seconds\"', 'Average')", label = "" }]]
    },
    {
      title   = "Errors by provider", region = local.region
      metrics = [[{ expression = "SEARCH('{${var.name},service,provider} MetricName=\"provider_errors_total\"', 'Sum')", label = "" }]]
    },
    {
      title   = "Refusals for too many requests by provider", region = local.region
      metrics = [[{ expression = "SEARCH('{${var.name},service,provider} MetricName=\"provider_rate_limit_hits_total\"', 'Sum')", label = "" }]]
    },
    {
      title   = "Open circuit breakers by provider", region = local.region
      metrics = [[{ expression = "SEARCH('{${var.name},service,provider} MetricName=\"provider_breaker_open\"', 'Maximum')", label = "" }]]
    },
    {
      title   = "Refused keys by provider", region = local.region
      metrics = [[{ expression = "SEARCH('{${var.name},service,provider} MetricName=\"provider_unhealthy\"', 'Maximum')", label = "" }]]
    },
  ]

  machine_widgets = [
    {
      title   = "Postgres", region = local.region
      metrics = [for metric in ["CPUUtilization", "DatabaseConnections"] : ["AWS/RDS", metric, "DBInstanceIdentifier", var.postgres_identifier, { stat = "Maximum" }]]
    },
    {
      title   = "Postgres latency in seconds", region = local.region
      metrics = [for metric in ["ReadLatency", "WriteLatency", "CommitLatency"] : ["AWS/RDS", metric, "DBInstanceIdentifier", var.postgres_identifier, { stat = "p99" }]]
    },
    {
      title   = "Redis memory in percent", region = local.region
      metrics = [for role, id in var.redis_cluster_ids : ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "CacheClusterId", id, { stat = "Maximum", label = role }]]
    },
    {
      title   = "Redis CPU in percent", region = local.region
      metrics = [for role, id in var.redis_cluster_ids : ["AWS/ElastiCache", "EngineCPUUtilization", "CacheClusterId", id, { stat = "Maximum", label = role }]]
    },
    {
      title   = "Copies on Fargate", region = local.region
      metrics = [for service, _ in var.fargate_services : ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.cluster_name, "ServiceName", service, { stat = "Minimum", label = service }]]
    },
    {
      title   = "Errors logged", region = local.region
      metrics = [for service in sort(var.services) : [var.name, "${service}-errors-logged", { stat = "Sum", label = service }]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = { traffic = local.traffic_widgets, providers = local.provider_widgets, machines = local.machine_widgets }

  dashboard_name = "${var.name}-${each.key}"

  dashboard_body = jsonencode({
    widgets = [
      for index, widget in each.value : {
        type       = "metric"
        x          = index % 2 * 12
        y          = floor(index / 2) * 6
        width      = 12
        height     = 6
        properties = merge(widget, { view = "timeSeries", period = 60 })
      } if length(widget.metrics) > 0
    ]
  })
}
