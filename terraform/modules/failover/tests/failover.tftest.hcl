mock_provider "aws" {
  mock_resource "aws_route53_zone" {
    defaults = { zone_id = "Z1", name_servers = ["ns-1.example", "ns-2.example", "ns-3.example", "ns-4.example"] }
  }
}

mock_provider "cloudflare" {}

variables {
  name               = "funmagic-test"
  domain             = "funmagic.ai"
  cloudflare_zone_id = "023e105f4ecef8ad9ca31a8372d0c353"
  policy             = "failover"
  targets = {
    own     = { dns_name = "one.us-east-2.elb.amazonaws.com", region = "us-east-2", alarm_name = "one" }
    standby = { dns_name = "two.us-west-2.elb.amazonaws.com", region = "us-west-2", alarm_name = "two", is_standby = true }
  }
}

run "failover" {
  command = apply

  assert {
    condition = (
      aws_route53_record.target["own"].failover_routing_policy[0].type == "PRIMARY" &&
      aws_route53_record.target["standby"].failover_routing_policy[0].type == "SECONDARY"
    )
    error_message = "the standby answers only for a primary that is not healthy"
  }

  assert {
    condition = alltrue([
      for name, record in aws_route53_record.target :
      record.health_check_id == aws_route53_health_check.target[name].id && record.ttl <= 60 && record.name == "origin.dns.funmagic.ai"
    ])
    error_message = "both answer to one name, by their health, and not for longer than a minute"
  }

  assert {
    condition = alltrue([
      for check in aws_route53_health_check.target :
      check.type == "CLOUDWATCH_METRIC" && check.insufficient_data_health_status == "Unhealthy"
    ])
    error_message = "health is what the alarm sees, and silence is not health"
  }

  assert {
    condition     = toset([for record in cloudflare_dns_record.delegation : record.content]) == toset(aws_route53_zone.this.name_servers)
    error_message = "Cloudflare leads to the name servers of the zone"
  }
}

run "weighted" {
  command = apply

  variables {
    policy = "weighted"
    targets = {
      own    = { dns_name = "one.example", region = "us-east-2", alarm_name = "one", weight = 90 }
      canary = { dns_name = "two.example", region = "us-east-2", alarm_name = "two", weight = 10 }
    }
  }

  assert {
    condition     = { for name, record in aws_route53_record.target : name => record.weighted_routing_policy[0].weight } == { own = 90, canary = 10 }
    error_message = "each gets its share"
  }
}

run "latency" {
  command = apply

  variables {
    policy = "latency"
  }

  assert {
    condition     = { for name, record in aws_route53_record.target : name => record.latency_routing_policy[0].region } == { own = "us-east-2", standby = "us-west-2" }
    error_message = "the nearest region answers"
  }
}

run "two_primaries_are_refused" {
  command = plan

  variables {
    targets = {
      one = { dns_name = "one.example", region = "us-east-2", alarm_name = "one" }
      two = { dns_name = "two.example", region = "us-west-2", alarm_name = "two" }
    }
  }

  expect_failures = [var.targets]
}
