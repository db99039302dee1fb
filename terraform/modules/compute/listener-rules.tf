# services/routing.json as listener rules (requirements G1, I5). A rule names one target group, so
# each way of being steered makes a rule with each path pattern:
#
#   number = 2000 × steering priority + 1000 × part + 10 × path priority + pattern
#
# and who is not steered comes last, from 49000 on. So a header (steering priority 1) beats a cookie
# (2), both beat the default, and a new rule renumbers no other one.
#
# A load balancer knows no cookies, only the Cookie header, with wildcards and without regard to case
# (AWS, "Condition types for listener rules"). Matched as a cookie means one of four texts: alone,
# first, last, or in between. A condition has three texts at most, hence two parts. `x=true` as a part
# of another cookie is none of the four. The rule's limits, five texts and five wildcards: the token,
# the pattern (two wildcards at most) and two cookie texts (three wildcards at most).

locals {
  patterns = merge([
    for path in var.routing.paths : {
      for index, pattern in path.patterns : "${path.service}/${path.priority}/${index}" => {
        service = path.service
        pattern = pattern
        number  = path.priority * 10 + index
      }
    }
  ]...)

  steering_parts = flatten([
    for rule in var.routing.steering : rule.header != null ? [{
      name   = rule.name
      number = rule.priority * 2000
      group  = rule.group
      header = rule.header.name
      values = [rule.header.value]
      }] : [
      for part, texts in [
        ["${rule.cookie.name}=${rule.cookie.value}", "${rule.cookie.name}=${rule.cookie.value};*"],
        ["*; ${rule.cookie.name}=${rule.cookie.value}", "*; ${rule.cookie.name}=${rule.cookie.value};*"],
        ] : {
        name   = part == 0 ? rule.name : "${rule.name}-within"
        number = rule.priority * 2000 + part * 1000
        group  = rule.group
        header = "Cookie"
        values = texts
      }
    ]
  ])

  # Nobody is steered to a service that Fargate does not run: its stable copies serve everybody.
  steered_rules = merge([
    for part in local.steering_parts : {
      for key, pattern in local.patterns : "${part.name}/${key}" => {
        number  = part.number + pattern.number
        group   = part.group
        service = pattern.service
        pattern = pattern.pattern
        headers = { (part.header) = part.values }
      } if part.group == "stable" || contains(local.beta_routed, pattern.service)
    }
  ]...)

  default_rules = {
    for key, pattern in local.patterns : "default/${key}" => {
      number  = 49000 + pattern.number
      group   = contains(local.beta_routed, pattern.service) ? var.routing.defaultGroup : "stable"
      service = pattern.service
      pattern = pattern.pattern
      headers = {}
    }
  }

  rules = merge(local.steered_rules, local.default_rules)
}

resource "aws_lb_listener_rule" "this" {
  for_each = local.rules

  listener_arn = aws_lb_listener.https.arn
  priority     = each.value.number

  condition {
    http_header {
      http_header_name = local.origin_token_header
      values           = [random_password.origin_token.result]
    }
  }

  condition {
    path_pattern {
      values = [each.value.pattern]
    }
  }

  dynamic "condition" {
    for_each = each.value.headers

    content {
      http_header {
        http_header_name = condition.key
        values           = condition.value
      }
    }
  }

  action {
    type = "forward"
    target_group_arn = (
      each.value.group == "beta"
      ? aws_lb_target_group.beta[each.value.service].arn
      : aws_lb_target_group.stable[each.value.service].arn
    )
  }

  tags = { Name = each.key }
}
