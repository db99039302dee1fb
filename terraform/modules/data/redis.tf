# Two roles, two servers (decision 14): the queue must never evict, the cache must. Both have cluster
# mode off: BullMQ and the limiter run scripts over several keys, which have to be on one node.

resource "aws_elasticache_subnet_group" "redis" {
  name       = "${var.name}-redis"
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "queue" {
  name        = "${var.name}-queue-redis7"
  description = "BullMQ: a full server refuses writes instead of forgetting jobs"
  family      = "redis7"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_parameter_group" "cache" {
  name        = "${var.name}-cache-redis7"
  description = "Sessions, limits and streams: whatever has an expiry may go early"
  family      = "redis7"

  parameter {
    name  = "maxmemory-policy"
    value = "volatile-lru"
  }
}

resource "random_password" "redis" {
  for_each = toset(["queue", "cache"])

  length  = 64
  special = false
}

resource "aws_elasticache_replication_group" "queue" {
  replication_group_id = "${var.name}-queue"
  description          = "Wake-ups of tasks (BullMQ)"
  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.queue.node_type
  parameter_group_name = aws_elasticache_parameter_group.queue.name
  cluster_mode         = "disabled"
  port                 = 6379

  num_cache_clusters         = var.queue.nodes
  automatic_failover_enabled = var.queue.nodes > 1
  multi_az_enabled           = var.queue.nodes > 1
  subnet_group_name          = aws_elasticache_subnet_group.redis.name
  security_group_ids         = [var.security_group_ids.redis]

  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  auth_token                 = random_password.redis["queue"].result
  # A wake-up that is lost with a node comes again from the outbox; a snapshot saves that wait.
  snapshot_retention_limit = 1
  snapshot_window          = "07:00-08:00"
  maintenance_window       = "sun:09:30-sun:10:30"

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.redis["queue"].name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}

resource "aws_elasticache_replication_group" "cache" {
  replication_group_id = "${var.name}-cache"
  description          = "Sessions, rate limits and progress streams"
  engine               = "redis"
  engine_version       = "7.1"
  node_type            = var.cache.node_type
  parameter_group_name = aws_elasticache_parameter_group.cache.name
  cluster_mode         = "disabled"
  port                 = 6379

  num_cache_clusters         = var.cache.nodes
  automatic_failover_enabled = var.cache.nodes > 1
  multi_az_enabled           = var.cache.nodes > 1
  subnet_group_name          = aws_elasticache_subnet_group.redis.name
  security_group_ids         = [var.security_group_ids.redis]

  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  auth_token                 = random_password.redis["cache"].result
  maintenance_window         = "sun:10:30-sun:11:30"

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.redis["cache"].name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}

resource "aws_cloudwatch_log_group" "redis" {
  for_each = toset(["queue", "cache"])

  name              = "/${var.name}/redis-${each.key}"
  retention_in_days = var.log_retention_days
}
