# In front of the app only: files have no code behind them, and their signatures in the query
# would look like attacks. CloudFront takes its firewall from us-east-1.

locals {
  managed_rules = {
    AWSManagedRulesAmazonIpReputationList = { priority = 20, counted = [] }
    AWSManagedRulesKnownBadInputsRuleSet  = { priority = 30, counted = [] }
    AWSManagedRulesSQLiRuleSet            = { priority = 40, counted = [] }
    # Cross-site scripting among others. Our requests are up to 1 MiB, and the services bound them.
    AWSManagedRulesCommonRuleSet = { priority = 50, counted = ["SizeRestrictions_BODY"] }
  }
}

resource "aws_wafv2_web_acl" "app" {
  provider = aws.us_east_1

  name        = "${var.name}-app"
  description = "Rate by address, SQL injection, cross-site scripting, known bad inputs"
  scope       = "CLOUDFRONT"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 10

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        limit                 = var.requests_per_five_minutes
        evaluation_window_sec = 300
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = true
      metric_name                = "${var.name}-rate"
    }
  }

  dynamic "rule" {
    for_each = local.managed_rules

    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = rule.value.counted

            content {
              name = rule_action_override.value

              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        sampled_requests_enabled   = true
        metric_name                = "${var.name}-${rule.key}"
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    sampled_requests_enabled   = true
    metric_name                = "${var.name}-app"
  }
}
