# One secret for each environment variable, under its name: a service's role lists exactly those
# that it is given. Terraform makes what can be made; people put in the rest.

locals {
  postgres_user     = "${aws_db_instance.postgres.username}:${random_password.postgres.result}"
  postgres_location = "${aws_db_instance.postgres.address}:5432/${aws_db_instance.postgres.db_name}"
  redis_hosts = {
    queue = aws_elasticache_replication_group.queue.primary_endpoint_address
    cache = aws_elasticache_replication_group.cache.primary_endpoint_address
  }

  # The services trust Amazon's roots by themselves (libs/database/src/server.ts); for people's psql
  # it says what is expected.
  postgres_options = "sslmode=verify-full"

  made_secrets = {
    DATABASE_URL       = "postgres://${local.postgres_user}@${local.postgres_location}?${local.postgres_options}"
    REDIS_QUEUE_URL    = "rediss://:${random_password.redis["queue"].result}@${local.redis_hosts.queue}:6379/0"
    REDIS_CACHE_URL    = "rediss://:${random_password.redis["cache"].result}@${local.redis_hosts.cache}:6379/0"
    METRICS_AUTH_TOKEN = random_password.token["METRICS_AUTH_TOKEN"].result
    SECRET_KEY         = random_password.token["SECRET_KEY"].result
  }
}

resource "random_password" "token" {
  for_each = toset(["METRICS_AUTH_TOKEN", "SECRET_KEY"])

  length  = 48
  special = false

  lifecycle {
    # SECRET_KEY opens the providers' keys: a new one would make them unreadable.
    prevent_destroy = true
  }
}

resource "aws_secretsmanager_secret" "made" {
  for_each = toset(["DATABASE_URL", "REDIS_QUEUE_URL", "REDIS_CACHE_URL", "METRICS_AUTH_TOKEN", "SECRET_KEY"])

  name        = "${var.name}/${each.key}"
  description = "Made by Terraform"
}

resource "aws_secretsmanager_secret_version" "made" {
  for_each = aws_secretsmanager_secret.made

  secret_id     = each.value.id
  secret_string = local.made_secrets[each.key]
}

resource "aws_secretsmanager_secret" "provided" {
  for_each = var.provided_secrets

  name        = "${var.name}/${each.key}"
  description = "Put in by people; see terraform/README.md"
}
