# Postgres and Redis: what stops everything if nobody looks in time.

locals {
  store_alarms = {
    postgres-cpu = {
      namespace   = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.postgres_identifier }
      comparison  = "GreaterThanThreshold", threshold = 80
      description = "Postgres is busy: see Performance Insights for the statement."
    }
    postgres-storage = {
      namespace   = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.postgres_identifier }
      comparison  = "LessThanThreshold", threshold = 5368709120
      description = "Less than 5 GiB are left although storage grows by itself: has it reached its maximum?"
    }
    postgres-memory = {
      namespace   = "AWS/RDS", metric = "FreeableMemory", dimensions = { DBInstanceIdentifier = var.postgres_identifier }
      comparison  = "LessThanThreshold", threshold = 268435456
      description = "Postgres has less than 256 MiB of memory left: count its connections."
    }
    queue-memory = {
      namespace   = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { CacheClusterId = var.redis_cluster_ids.queue }
      comparison  = "GreaterThanThreshold", threshold = 75
      description = "The queue's Redis evicts nothing: when it is full, no task starts."
    }
    queue-evictions = {
      namespace   = "AWS/ElastiCache", metric = "Evictions", dimensions = { CacheClusterId = var.redis_cluster_ids.queue }
      comparison  = "GreaterThanThreshold", threshold = 0
      description = "The queue's Redis has evicted: its policy is not noeviction any more."
    }
    cache-memory = {
      namespace   = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", dimensions = { CacheClusterId = var.redis_cluster_ids.cache }
      comparison  = "GreaterThanThreshold", threshold = 90
      description = "The cache forgets what it would need: sessions are read from Postgres, streams are reset."
    }
    cache-cpu = {
      namespace   = "AWS/ElastiCache", metric = "EngineCPUUtilization", dimensions = { CacheClusterId = var.redis_cluster_ids.cache }
      comparison  = "GreaterThanThreshold", threshold = 80
      description = "The cache's only thread is busy: see its slow log."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "store" {
  for_each = local.store_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.comparison == "GreaterThanThreshold" ? "Maximum" : "Minimum"
  period              = 60
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}
