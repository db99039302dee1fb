# The listener rules as they would be made from services/routing.json with every service on Fargate.
# scripts/test/terraform-rules.test.ts reads what this run applies and sends random requests at it.
mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "us-east-2" }
  }
}

mock_provider "random" {}

variables {
  routing  = jsondecode(file("../../../services/routing.json"))
  services = jsondecode(file("../../services.json"))
}

run "rules" {
  command = apply

  assert {
    condition = alltrue([
      for rule in aws_lb_listener_rule.this : length(flatten([
        for condition in rule.condition : concat(
          flatten([for header in condition.http_header : tolist(header.values)]),
          flatten([for path in condition.path_pattern : tolist(path.values)]),
        )
      ])) <= 5
    ])
    error_message = "a rule has five texts at most (AWS quota: match evaluations)"
  }

  assert {
    condition = alltrue([
      for rule in aws_lb_listener_rule.this : length(regexall("[*?]", join("", flatten([
        for condition in rule.condition : concat(
          flatten([for header in condition.http_header : tolist(header.values)]),
          flatten([for path in condition.path_pattern : tolist(path.values)]),
        )
      ])))) <= 5
    ])
    error_message = "a rule has five wildcards at most (AWS quota)"
  }

  assert {
    condition = alltrue(flatten([
      for rule in aws_lb_listener_rule.this : [
        for condition in rule.condition : [for header in condition.http_header : length(header.values) <= 3]
      ]
    ]))
    error_message = "a condition has three texts at most (AWS, condition basics)"
  }

  assert {
    condition     = length(aws_lb_listener_rule.this) <= 100
    error_message = "a load balancer has 100 rules at most (AWS quota)"
  }

  assert {
    condition = (
      length(distinct([for rule in aws_lb_listener_rule.this : rule.priority])) == length(aws_lb_listener_rule.this) &&
      alltrue([for rule in aws_lb_listener_rule.this : rule.priority >= 1 && rule.priority <= 50000])
    )
    error_message = "every rule has a number of its own"
  }

  assert {
    condition = (
      max([for key, rule in aws_lb_listener_rule.this : rule.priority if startswith(key, "dev-mode")]...) <
      min([for key, rule in aws_lb_listener_rule.this : rule.priority if startswith(key, "beta-access")]...)
    )
    error_message = "the header beats the cookie"
  }

  assert {
    condition = (
      max([for key, rule in aws_lb_listener_rule.this : rule.priority if startswith(key, "beta-access")]...) <
      min([for key, rule in aws_lb_listener_rule.this : rule.priority if startswith(key, "default")]...)
    )
    error_message = "the cookie beats the default"
  }

  assert {
    condition = alltrue([
      for key, rule in aws_lb_listener_rule.this :
      rule.action[0].target_group_arn == (
        startswith(key, "default/")
        ? aws_lb_target_group.stable[split("/", key)[1]].arn
        : aws_lb_target_group.beta[split("/", key)[1]].arn
      )
    ])
    error_message = "who is steered goes to the beta group of the path's service, everybody else to its stable group"
  }

  assert {
    condition = toset(flatten([
      for key, rule in aws_lb_listener_rule.this : [
        for condition in rule.condition : [
          for header in condition.http_header : tolist(header.values) if header.http_header_name == "Cookie"
        ]
      ]
      ])) == toset([
      "x-beta-access=true", "x-beta-access=true;*", "*; x-beta-access=true", "*; x-beta-access=true;*",
    ])
    error_message = "the cookie is matched alone, first, last and in between, and never as a part of another one"
  }

  assert {
    condition = alltrue([
      for rule in aws_lb_listener_rule.this : anytrue(flatten([
        for condition in rule.condition : [
          for header in condition.http_header :
          header.http_header_name == "X-Origin-Token" && header.values == toset([random_password.origin_token.result])
        ]
      ]))
    ])
    error_message = "every rule asks for CloudFront's token"
  }

  assert {
    condition     = aws_lb_listener.https.default_action[0].fixed_response[0].status_code == "404"
    error_message = "what no rule knows is not found, and reaches nothing"
  }
}

run "without_fargate_everybody_is_served_by_the_stable_group" {
  command = apply

  variables {
    beta_services = {}
  }

  assert {
    condition     = length(aws_lb_target_group.beta) == 0 && length(aws_ecs_service.beta) == 0
    error_message = "nothing of the beta stack is there"
  }

  assert {
    condition = alltrue([
      for key, rule in aws_lb_listener_rule.this : startswith(key, "default/") && contains(
        [for group in aws_lb_target_group.stable : group.arn], rule.action[0].target_group_arn
      )
    ])
    error_message = "every rule leads to the stable group"
  }
}

run "a_service_that_is_not_on_fargate_is_served_by_its_stable_copies" {
  command = apply

  variables {
    beta_services = { asset = { cpu = 512, memory_mib = 1024, min_count = 2, max_count = 10 } }
  }

  assert {
    condition = toset(distinct([
      for key, rule in aws_lb_listener_rule.this : split("/", key)[1] if !startswith(key, "default/")
    ])) == toset(["asset"])
    error_message = "nobody is steered to a service that Fargate does not run"
  }
}

run "when_the_beta_group_becomes_the_default" {
  command = apply

  variables {
    routing = merge(jsondecode(file("../../../services/routing.json")), { defaultGroup = "beta" })
  }

  assert {
    condition = alltrue([
      for key, rule in aws_lb_listener_rule.this :
      rule.action[0].target_group_arn == aws_lb_target_group.beta[split("/", key)[1]].arn
    ])
    error_message = "the last step of the migration is one word in the routing file"
  }
}

run "a_pattern_that_leaves_no_room_for_the_cookie_is_refused" {
  command = plan

  variables {
    routing = merge(jsondecode(file("../../../services/routing.json")), {
      paths = [{ priority = 10, service = "auth", patterns = ["/api/*/*/*"] }]
    })
  }

  expect_failures = [var.routing]
}
