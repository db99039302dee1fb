output "secret_arns" {
  description = "Secrets by the environment variable that they fill."
  value = {
    for name, secret in merge(aws_secretsmanager_secret.made, aws_secretsmanager_secret.provided) :
    name => secret.arn
  }
}

output "buckets" {
  description = "The buckets by role: public, private, admin."
  value = {
    for role, bucket in aws_s3_bucket.this : role => {
      name        = bucket.bucket
      arn         = bucket.arn
      domain_name = bucket.bucket_regional_domain_name
    }
  }
}

output "log_bucket" {
  description = "Where the load balancer and the distributions write down requests."
  value       = { name = aws_s3_bucket.logs.bucket, arn = aws_s3_bucket.logs.arn }
}

output "postgres_identifier" {
  description = "The instance, as CloudWatch's metrics name it."
  value       = aws_db_instance.postgres.identifier
}

output "redis_cluster_ids" {
  description = "First node of each Redis, as CloudWatch's metrics name them."
  value = {
    queue = "${aws_elasticache_replication_group.queue.replication_group_id}-001"
    cache = "${aws_elasticache_replication_group.cache.replication_group_id}-001"
  }
}
