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
