# Plans only: what may not be destroyed could not be taken down after an applied test. Both runs are
# compared, resource by resource, in scripts/test/terraform-environments.test.ts.
mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }

  mock_data "aws_ec2_managed_prefix_list" {
    defaults = { id = "pl-cloudfront" }
  }

  mock_data "aws_ip_ranges" {
    defaults = { cidr_blocks = ["192.0.2.0/24"] }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

mock_provider "cloudflare" {}
mock_provider "random" {}

run "as_configured" {
  command = plan

  assert {
    condition = var.environment != "production" || (
      var.database.multi_az && var.database.deletion_protection && var.queue.nodes >= 2 && var.cache.nodes >= 2 &&
      var.stable.instances >= 2 && var.network.nat_gateways == length(var.network.availability_zones)
    )
    error_message = "production outlives the loss of a zone"
  }

  assert {
    condition = var.environment != "production" || alltrue([
      for service, size in var.beta_services : size.min_count >= (service == "provider-worker" ? 1 : 2)
    ])
    error_message = "production runs two copies of every service at least, and one worker"
  }

  # 5 connections for each process (DATABASE_POOL_MAX), both stacks at their largest and the stable one
  # twice while it is replaced, against what RDS allows by default: memory / 9531392, of which the
  # system takes about a tenth.
  assert {
    condition = (
      5 * (sum(concat([0], [for size in var.beta_services : size.max_count])) + 2 * 2 * 6 * var.stable.instances) <=
      0.7 * 0.9 * 1024 * 1024 * 1024 * lookup({ "db.t4g.medium" = 4, "db.r6g.large" = 16 }, var.database.instance_class, 0) / 9531392
    )
    error_message = "all processes at once take at most 70 % of the database's connections"
  }

  assert {
    condition     = var.environment != "production" || var.replica_region != ""
    error_message = "production's files have a copy in another region"
  }

  assert {
    condition     = var.environment != "production" || (var.rate_limit_profile == "production" && var.log_level != "debug")
    error_message = "production is strict"
  }

  assert {
    condition     = var.alerts.daily_cost_limit_usd <= 100
    error_message = "nobody lets a day cost more than 100 USD unheard"
  }

  assert {
    condition     = var.log_retention_days >= 90
    error_message = "logs are kept for 90 days"
  }

  assert {
    condition     = output.hosts.private_cdn == "private-cdn.${var.edge.domain}"
    error_message = "private files have the host name of seed 000"
  }
}

run "with_fargate_off" {
  command = plan

  variables {
    beta_services = {}
  }
}

run "with_every_extra" {
  command = plan

  variables {
    extras = {
      secrets          = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "REPLICATE_WEBHOOK_SECRET"]
      settings         = { WORKER_CONCURRENCY = "8" }
      next_signing_key = { name = "next", from = "2026-12-01T00:00:00Z" }
      grafana = {
        loki_url            = "https://logs.example/push"
        loki_username       = "logs"
        prometheus_url      = "https://metrics.example/push"
        prometheus_username = "metrics"
      }
      failover = {
        policy     = "failover"
        own_weight = 100
        others     = { west = { dns_name = "west.example", region = "us-west-2", alarm_name = "west", is_standby = true } }
      }
      import_from = { database = "old", instance_class = "dms.t3.medium" }
    }
  }

  assert {
    condition     = length(module.failover) == 1 && length(module.import) == 1
    error_message = "each extra is there when it is asked for"
  }

  assert {
    condition = toset(local.provided_secrets) == toset([
      "CLOUDFRONT_PRIVATE_KEY", "CLOUDFRONT_NEXT_PRIVATE_KEY", "LOKI_PASSWORD", "PROMETHEUS_PASSWORD",
      "REPLICATE_WEBHOOK_SECRET", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET",
    ])
    error_message = "a secret is kept for each that the installation has"
  }

  assert {
    condition = (
      local.environment.WORKER_CONCURRENCY == "8" && local.environment.LOG_LEVEL == var.log_level &&
      local.environment.CLOUDFRONT_NEXT_KEY_FROM == "2026-12-01T00:00:00Z" && contains(keys(local.environment), "CLOUDFRONT_NEXT_KEY_PAIR_ID")
    )
    error_message = "the services are told what the installation sets, and the key that signs next"
  }
}

run "half_a_stripe_is_refused" {
  command = plan

  variables {
    extras = { secrets = ["STRIPE_SECRET_KEY"] }
  }

  expect_failures = [var.extras]
}

run "an_unknown_secret_is_refused" {
  command = plan

  variables {
    extras = { secrets = ["SLACK_TOKEN"] }
  }

  expect_failures = [var.extras]
}

run "a_secret_among_the_settings_is_refused" {
  command = plan

  variables {
    extras = { settings = { SECRET_KEY_PREVIOUS = "0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.extras]
}

run "the_key_in_use_is_no_next_one" {
  command = plan

  variables {
    extras = { next_signing_key = { name = "current", from = "2026-12-01T00:00:00Z" } }
  }

  expect_failures = [var.extras]
}
