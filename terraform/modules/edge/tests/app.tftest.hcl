mock_provider "aws" {
  mock_resource "aws_acm_certificate" {
    defaults = {
      domain_validation_options = [
        { domain_name = "origin.funmagic.ai", resource_record_name = "_o.origin.funmagic.ai.", resource_record_value = "_p.acm.", resource_record_type = "CNAME" },
      ]
    }
  }
}

mock_provider "aws" {
  alias = "us_east_1"

  mock_resource "aws_acm_certificate" {
    defaults = {
      domain_validation_options = [
        for host in ["funmagic.ai", "api.funmagic.ai", "admin.funmagic.ai", "cdn.funmagic.ai", "private-cdn.funmagic.ai"] :
        { domain_name = host, resource_record_name = "_x.${host}.", resource_record_value = "_y.acm.", resource_record_type = "CNAME" }
      ]
    }
  }
}

mock_provider "cloudflare" {}

run "app" {
  command = apply

  assert {
    condition     = contains(tolist(aws_cloudfront_origin_request_policy.app.headers_config[0].headers[0].items), "X-Dev-Mode")
    error_message = "the steering header reaches the load balancer"
  }

  assert {
    condition = aws_cloudfront_origin_request_policy.app.cookies_config[0].cookies[0].items == toset([
      "x-beta-access", "__Host-funmagic_session",
    ])
    error_message = "the steering cookie and the session reach the load balancer, and no other cookie"
  }

  assert {
    condition     = length(aws_cloudfront_origin_request_policy.app.headers_config[0].headers[0].items) <= 10
    error_message = "a policy takes ten headers (CloudFront quota)"
  }

  assert {
    condition = alltrue([
      for behavior in concat(
        tolist(aws_cloudfront_distribution.app.default_cache_behavior), tolist(aws_cloudfront_distribution.app.ordered_cache_behavior)
      ) : behavior.cache_policy_id == data.aws_cloudfront_cache_policy.none.id if behavior.target_origin_id == "load-balancer"
    ])
    error_message = "nothing of the app is cached: nobody gets the answer of another stack"
  }

  assert {
    condition = (
      toset([
        for behavior in aws_cloudfront_distribution.app.ordered_cache_behavior : behavior.path_pattern
        if behavior.origin_request_policy_id == data.aws_cloudfront_origin_request_policy.everything.id &&
        behavior.target_origin_id == "load-balancer" && length(behavior.function_association) == 1
      ]) == toset(["/api/webhooks/*", "/api/credits/webhooks/*", "/api/progress/ws"])
    )
    error_message = "signed webhooks and sockets arrive with every header, and steering is made exact there too"
  }

  assert {
    condition = (
      toset([
        for behavior in aws_cloudfront_distribution.app.ordered_cache_behavior : behavior.path_pattern
        if behavior.target_origin_id == "api-reference"
      ]) == toset(["/api/openapi.json", "/api/docs*"]) &&
      anytrue([for origin in aws_cloudfront_distribution.app.origin : origin.origin_path == "/public/ops" if origin.origin_id == "api-reference"])
    )
    error_message = "the reference of the API is under the host of the API"
  }

  assert {
    condition = alltrue([
      for header in ["Idempotency-Key", "Last-Event-ID", "Prefer", "If-Match", "If-None-Match"] :
      contains(tolist(aws_cloudfront_origin_request_policy.app.headers_config[0].headers[0].items), header)
    ])
    error_message = "the headers that the API reads reach it"
  }

  assert {
    condition = anytrue(flatten([
      for origin in aws_cloudfront_distribution.app.origin : [
        for header in origin.custom_header : header.name == "X-Origin-Token" && header.value == "token"
      ]
    ]))
    error_message = "the load balancer is told that the request came through here"
  }

  assert {
    condition = alltrue([
      for origin in aws_cloudfront_distribution.app.origin :
      origin.custom_origin_config[0].origin_protocol_policy == "https-only" && origin.custom_origin_config[0].origin_read_timeout == 60
      if origin.origin_id == "load-balancer"
    ])
    error_message = "the way to the load balancer is encrypted, and as patient as the load balancer"
  }

  assert {
    condition = alltrue([
      for behavior in aws_cloudfront_distribution.app.ordered_cache_behavior : anytrue([
        for association in behavior.function_association :
        association.event_type == "viewer-request" && association.function_arn == aws_cloudfront_function.steering.arn
      ]) if behavior.target_origin_id == "load-balancer"
    ])
    error_message = "steering is made exact before the load balancer sees it"
  }

  assert {
    condition     = element(aws_cloudfront_distribution.app.ordered_cache_behavior, length(aws_cloudfront_distribution.app.ordered_cache_behavior) - 1).path_pattern == "/api/*"
    error_message = "the API is the load balancer's, but for the paths before it"
  }

  assert {
    condition = (
      aws_cloudfront_distribution.app.default_cache_behavior[0].target_origin_id == "web" &&
      aws_cloudfront_distribution.app.default_cache_behavior[0].response_headers_policy_id == aws_cloudfront_response_headers_policy.web.id &&
      anytrue([for origin in aws_cloudfront_distribution.app.origin : origin.origin_path == "/site" && origin.origin_access_control_id != "" if origin.origin_id == "web"]) &&
      anytrue([
        for association in aws_cloudfront_distribution.app.default_cache_behavior[0].function_association :
        association.event_type == "viewer-request" && association.function_arn == aws_cloudfront_function.pages.arn
      ])
    )
    error_message = "whatever is not the API is a page of the web client, from the bucket"
  }

  assert {
    condition = (
      strcontains(local.web_policy, "script-src 'self';") && strcontains(local.web_policy, "frame-ancestors 'none'") &&
      !strcontains(local.web_policy, "unsafe") && !strcontains(local.web_policy, "*") &&
      strcontains(local.web_policy, "connect-src 'self' https://funmagic-test-private.s3.us-east-2.amazonaws.com;")
    )
    error_message = "pages run scripts of their own only, and send files to the store alone"
  }

  assert {
    condition     = alltrue([for response in aws_cloudfront_distribution.app.custom_error_response : response.error_caching_min_ttl == 0])
    error_message = "no error of the API is cached"
  }

  assert {
    condition     = aws_wafv2_web_acl.app.scope == "CLOUDFRONT" && aws_cloudfront_distribution.app.web_acl_id == aws_wafv2_web_acl.app.arn
    error_message = "the app is behind the firewall"
  }

  assert {
    condition = length(setsubtract(
      ["rate", "AWSManagedRulesSQLiRuleSet", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"],
      [for rule in aws_wafv2_web_acl.app.rule : rule.name],
    )) == 0
    error_message = "rate, SQL injection, cross-site scripting and known bad inputs are looked for"
  }
}

run "one_signing_key_is_refused" {
  command = plan

  variables {
    signing_keys       = { only = "-----BEGIN PUBLIC KEY-----\nonly\n-----END PUBLIC KEY-----\n" }
    active_signing_key = "only"
  }

  expect_failures = [var.signing_keys]
}
