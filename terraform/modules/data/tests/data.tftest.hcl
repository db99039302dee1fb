# Plans only: what may not be destroyed could not be taken down after an applied test.
mock_provider "aws" {
  override_during = plan

  mock_resource "aws_db_instance" {
    defaults = { address = "postgres.internal" }
  }

  mock_resource "aws_elasticache_replication_group" {
    defaults = { primary_endpoint_address = "redis.internal" }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:test" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::test" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/test" }
  }
}

mock_provider "random" {
  override_during = plan

  mock_resource "random_password" {
    defaults = { result = "secret" }
  }
}

variables {
  name               = "funmagic-test"
  subnet_ids         = ["subnet-a", "subnet-b"]
  security_group_ids = { postgres = "sg-postgres", redis = "sg-redis" }
  database = {
    instance_class      = "db.r6g.large"
    multi_az            = true
    storage_gib         = 100
    storage_max_gib     = 1000
    replicas            = 1
    deletion_protection = true
  }
  queue              = { node_type = "cache.r6g.large", nodes = 2 }
  cache              = { node_type = "cache.r6g.large", nodes = 2 }
  upload_origins     = ["https://funmagic.ai"]
  replica_region     = "us-west-2"
  provided_secrets   = ["CLOUDFRONT_PRIVATE_KEY"]
  log_retention_days = 90
}

run "postgres" {
  command = plan

  assert {
    condition = alltrue([
      for instance in concat([aws_db_instance.postgres], aws_db_instance.replica) :
      !instance.publicly_accessible && instance.storage_encrypted && instance.performance_insights_enabled
    ])
    error_message = "every copy of the database is private, encrypted and observed"
  }

  assert {
    condition     = aws_db_instance.postgres.engine == "postgres" && startswith(aws_db_instance.postgres.engine_version, "17")
    error_message = "the engine is PostgreSQL 17"
  }

  assert {
    condition     = aws_db_instance.postgres.multi_az && aws_db_instance.postgres.deletion_protection
    error_message = "two zones and deletion protection were asked for"
  }

  assert {
    condition = (
      aws_db_instance.postgres.backup_retention_period == 30 &&
      !aws_db_instance.postgres.skip_final_snapshot &&
      !aws_db_instance.postgres.delete_automated_backups
    )
    error_message = "any second of the last 30 days can be restored, even after a deletion"
  }

  assert {
    condition = contains(
      [for parameter in aws_db_parameter_group.postgres.parameter : "${parameter.name}=${parameter.value}"],
      "rds.force_ssl=1"
    )
    error_message = "connections without TLS are refused"
  }

  assert {
    condition     = aws_db_instance.postgres.vpc_security_group_ids == toset(["sg-postgres"])
    error_message = "the database is in its own security group only"
  }
}

run "redis" {
  command = plan

  assert {
    condition = contains(
      [for parameter in aws_elasticache_parameter_group.queue.parameter : "${parameter.name}=${parameter.value}"],
      "maxmemory-policy=noeviction"
    )
    error_message = "the queue must never forget a job to make room"
  }

  assert {
    condition = alltrue([
      for group in [aws_elasticache_replication_group.queue, aws_elasticache_replication_group.cache] :
      group.cluster_mode == "disabled"
    ])
    error_message = "scripts over several keys need cluster mode off"
  }

  assert {
    condition     = aws_elasticache_replication_group.queue.parameter_group_name != aws_elasticache_replication_group.cache.parameter_group_name
    error_message = "queue and cache are two servers with two policies"
  }

  assert {
    condition = alltrue([
      for group in [aws_elasticache_replication_group.queue, aws_elasticache_replication_group.cache] :
      tobool(group.at_rest_encryption_enabled) && group.transit_encryption_enabled && group.auth_token != null
    ])
    error_message = "Redis is encrypted at rest and in transit, and asks for a password"
  }

  assert {
    condition     = aws_elasticache_replication_group.queue.automatic_failover_enabled && aws_elasticache_replication_group.cache.multi_az_enabled
    error_message = "two nodes fail over"
  }
}

run "buckets" {
  command = plan

  assert {
    condition     = toset(keys(aws_s3_bucket.this)) == toset(["public", "private", "admin"])
    error_message = "there are three buckets"
  }

  assert {
    condition = alltrue([
      for block in concat(
        values(aws_s3_bucket_public_access_block.this), values(aws_s3_bucket_public_access_block.replica)
      ) :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
      ]) && (
      keys(aws_s3_bucket_public_access_block.this) == keys(aws_s3_bucket.this) &&
      keys(aws_s3_bucket_public_access_block.replica) == keys(aws_s3_bucket.replica)
    )
    error_message = "every bucket blocks public access in all four ways"
  }

  assert {
    condition = alltrue([
      for role, bucket in aws_s3_bucket.this :
      aws_s3_bucket_versioning.this[role].versioning_configuration[0].status == "Enabled" &&
      length(aws_s3_bucket_server_side_encryption_configuration.this[role].rule) == 1 &&
      !bucket.force_destroy
    ])
    error_message = "every bucket is versioned and encrypted, and is not emptied by a destroy"
  }

  assert {
    condition = anytrue([
      for rule in aws_s3_bucket_lifecycle_configuration.private.rule :
      rule.status == "Enabled" && try(rule.filter[0].prefix, "") == "quarantine/" && try(rule.expiration[0].days, 0) == 1
    ])
    error_message = "what stays in quarantine goes after a day"
  }

  assert {
    condition = alltrue([
      for configuration in [
        aws_s3_bucket_lifecycle_configuration.public,
        aws_s3_bucket_lifecycle_configuration.private,
        aws_s3_bucket_lifecycle_configuration.admin,
        ] : anytrue([
          for rule in configuration.rule :
          length(rule.abort_incomplete_multipart_upload) == 1 && rule.status == "Enabled"
      ])
    ])
    error_message = "unfinished multipart uploads go in every bucket"
  }

  assert {
    condition = alltrue(flatten([
      for configuration in [
        aws_s3_bucket_lifecycle_configuration.public,
        aws_s3_bucket_lifecycle_configuration.private,
        aws_s3_bucket_lifecycle_configuration.admin,
        ] : [
        for rule in configuration.rule : [
          for step in rule.transition :
          contains(["INTELLIGENT_TIERING", "STANDARD_IA", "GLACIER_IR"], step.storage_class)
        ]
      ]
    ]))
    error_message = "no file moves to a class that must be restored before it can be read"
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_cors_configuration.uploads.cors_rule :
      rule.allowed_methods == toset(["PUT"]) && !contains(rule.allowed_origins, "*")
    ])
    error_message = "only our own pages may send files, and they may do nothing else"
  }
}

run "logs" {
  command = plan

  assert {
    condition = (
      aws_s3_bucket_public_access_block.logs.block_public_acls && aws_s3_bucket_public_access_block.logs.block_public_policy &&
      aws_s3_bucket_public_access_block.logs.ignore_public_acls && aws_s3_bucket_public_access_block.logs.restrict_public_buckets &&
      length(aws_s3_bucket_server_side_encryption_configuration.logs.rule) == 1
    )
    error_message = "the bucket of logs is private and encrypted"
  }

  assert {
    condition = anytrue([
      for rule in aws_s3_bucket_lifecycle_configuration.logs.rule : try(rule.expiration[0].days, 0) == 90
    ])
    error_message = "access logs are kept as long as other logs, and no longer"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_s3_bucket_policy.logs.policy).Statement :
      statement.Effect == "Deny" || (statement.Action == "s3:PutObject" && can(statement.Condition.ArnLike["aws:SourceArn"]))
    ])
    error_message = "others may only add to the logs, each named by AWS:SourceArn"
  }
}

run "replicas" {
  command = plan

  assert {
    condition = alltrue([
      for role in ["public", "private", "admin"] :
      aws_s3_bucket.replica[role].region == "us-west-2" &&
      aws_s3_bucket_versioning.replica[role].versioning_configuration[0].status == "Enabled" &&
      aws_s3_bucket_replication_configuration.this[role].rule[0].status == "Enabled"
    ])
    error_message = "every bucket has a versioned copy in the other region"
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.replication : [
        for statement in jsondecode(policy.policy).Statement :
        [for action in flatten([statement.Action]) : !strcontains(action, "*")]
      ]
    ]))
    error_message = "no role has an action with a wildcard"
  }
}

run "secrets" {
  command = plan

  assert {
    condition = toset(keys(output.secret_arns)) == toset([
      "DATABASE_URL", "REDIS_QUEUE_URL", "REDIS_CACHE_URL", "METRICS_AUTH_TOKEN", "SECRET_KEY", "CLOUDFRONT_PRIVATE_KEY",
    ])
    error_message = "each secret is under the name of its environment variable"
  }

  assert {
    condition = (
      aws_secretsmanager_secret_version.made["DATABASE_URL"].secret_string ==
      "postgres://funmagic:secret@postgres.internal:5432/funmagic?sslmode=verify-full"
    )
    error_message = "the address of the database asks for TLS and a server that proves itself"
  }

  assert {
    condition = alltrue([
      for name in ["REDIS_QUEUE_URL", "REDIS_CACHE_URL"] :
      aws_secretsmanager_secret_version.made[name].secret_string == "rediss://:secret@redis.internal:6379/0"
    ])
    error_message = "the addresses of Redis ask for TLS"
  }
}

run "small_and_without_replicas" {
  command = plan

  variables {
    database = {
      instance_class      = "db.t4g.medium"
      multi_az            = false
      storage_gib         = 20
      storage_max_gib     = 100
      replicas            = 0
      deletion_protection = false
    }
    queue          = { node_type = "cache.t4g.small", nodes = 1 }
    replica_region = ""
  }

  assert {
    condition     = length(aws_s3_bucket.replica) == 0 && length(aws_db_instance.replica) == 0
    error_message = "copies are made only where they are asked for"
  }

  assert {
    condition     = !aws_elasticache_replication_group.queue.automatic_failover_enabled
    error_message = "one node has nothing to fail over to"
  }
}

run "origins_with_wildcards_are_refused" {
  command = plan

  variables {
    upload_origins = ["https://*.funmagic.ai"]
  }

  expect_failures = [var.upload_origins]
}
