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
      arn = "arn:aws:acm:us-east-1:123456789012:certificate/viewers"
      domain_validation_options = [
        for host in ["funmagic.ai", "api.funmagic.ai", "admin.funmagic.ai", "cdn.funmagic.ai", "private-cdn.funmagic.ai"] :
        { domain_name = host, resource_record_name = "_x.${host}.", resource_record_value = "_y.acm.", resource_record_type = "CNAME" }
      ]
    }
  }

  mock_resource "aws_acm_certificate_validation" {
    defaults = { certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/viewers" }
  }
}

mock_provider "cloudflare" {}

run "files_and_names" {
  command = apply

  assert {
    condition = alltrue([
      for record in concat(
        values(cloudflare_dns_record.app), values(cloudflare_dns_record.viewers_proof),
        [
          cloudflare_dns_record.cdn, cloudflare_dns_record.private_cdn,
          cloudflare_dns_record.origin, cloudflare_dns_record.origin_proof,
        ],
      ) : !record.proxied
    ])
    error_message = "every name is DNS only (grey cloud)"
  }

  assert {
    condition = (
      cloudflare_dns_record.cdn.content == aws_cloudfront_distribution.public.domain_name &&
      cloudflare_dns_record.private_cdn.content == aws_cloudfront_distribution.private.domain_name
    )
    error_message = "each CDN name leads to its distribution"
  }

  assert {
    condition = toset(keys(aws_cloudwatch_log_delivery.access)) == toset(["app", "public", "private"]) && alltrue([
      for delivery in aws_cloudwatch_log_delivery.access :
      !contains(delivery.record_fields, "cs-uri-query") && !contains(delivery.record_fields, "cs(Cookie)")
    ])
    error_message = "every distribution writes down its requests, without signatures and cookies"
  }

  assert {
    condition = alltrue([
      for distribution in [aws_cloudfront_distribution.app, aws_cloudfront_distribution.public, aws_cloudfront_distribution.private] :
      distribution.viewer_certificate[0].acm_certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/viewers" &&
      startswith(distribution.viewer_certificate[0].minimum_protocol_version, "TLSv1.2")
    ])
    error_message = "viewers see the certificate from us-east-1 and TLS 1.2 or newer"
  }

  assert {
    condition     = toset(keys(aws_s3_bucket_policy.this)) == toset(["public", "private", "admin"])
    error_message = "every bucket has a policy"
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_s3_bucket_policy.this : [
        for statement in jsondecode(policy.policy).Statement :
        try(statement.Condition.StringEquals["AWS:SourceArn"], "") != "" if statement.Effect == "Allow"
      ]
    ]))
    error_message = "whoever is allowed something is named by AWS:SourceArn"
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_s3_bucket_policy.this : [
        for statement in jsondecode(policy.policy).Statement :
        statement.Principal == { Service = "cloudfront.amazonaws.com" } && statement.Action == "s3:GetObject"
        if statement.Effect == "Allow"
      ]
    ]))
    error_message = "only CloudFront is allowed, and only to read"
  }

  assert {
    condition = (
      [for statement in jsondecode(aws_s3_bucket_policy.this["public"].policy).Statement :
        [statement.Condition.StringEquals["AWS:SourceArn"], statement.Resource] if statement.Effect == "Allow"] == [
        [aws_cloudfront_distribution.public.arn, "arn:aws:s3:::funmagic-test-public/public/*"],
        [aws_cloudfront_distribution.app.arn, "arn:aws:s3:::funmagic-test-public/public/ops/api/*"],
        [aws_cloudfront_distribution.app.arn, "arn:aws:s3:::funmagic-test-public/site/*"],
      ] &&
      [for statement in jsondecode(aws_s3_bucket_policy.this["private"].policy).Statement :
      statement.Condition.StringEquals["AWS:SourceArn"] if statement.Effect == "Allow"] == [aws_cloudfront_distribution.private.arn] &&
      length([for statement in jsondecode(aws_s3_bucket_policy.this["admin"].policy).Statement : statement if statement.Effect == "Allow"]) == 0
    )
    error_message = "each bucket is read by its own distribution, the API's reference and the pages by the app's too, the admins' by none"
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_s3_bucket_policy.this : [
        for statement in jsondecode(policy.policy).Statement : !strcontains(jsonencode(statement.Resource), "quarantine")
        if statement.Effect == "Allow"
      ]
    ]))
    error_message = "no distribution reads what was not checked"
  }

  assert {
    condition = alltrue([
      for role, policy in aws_s3_bucket_policy.this : anytrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"
      ])
    ])
    error_message = "every bucket refuses requests without TLS"
  }

  assert {
    condition     = alltrue([for policy in aws_s3_bucket_policy.this : !strcontains(policy.policy, "if-none-match")])
    error_message = "no policy asks for If-None-Match: CopyObject would fail (TR19)"
  }

  assert {
    condition = (
      aws_cloudfront_distribution.private.default_cache_behavior[0].trusted_key_groups == tolist([aws_cloudfront_key_group.this.id]) &&
      length(aws_cloudfront_distribution.private.ordered_cache_behavior) == 0
    )
    error_message = "there is no way to a private file without a signature"
  }

  assert {
    condition     = length(aws_cloudfront_key_group.this.items) >= 2 && output.signing_key_id == output.signing_key_ids["second"]
    error_message = "two keys are trusted at once, and the active one signs"
  }

  assert {
    condition = alltrue(flatten([
      for distribution in [aws_cloudfront_distribution.public, aws_cloudfront_distribution.private] : [
        for origin in distribution.origin :
        origin.origin_access_control_id == aws_cloudfront_origin_access_control.this.id && origin.origin_shield[0].enabled
      ]
    ]))
    error_message = "files are fetched with OAC and through the origin shield"
  }

  assert {
    condition = alltrue(flatten([
      for distribution in [aws_cloudfront_distribution.public, aws_cloudfront_distribution.private] : [
        for code in [403, 404] : anytrue([
          for response in distribution.custom_error_response : response.error_code == code && response.error_caching_min_ttl <= 1
        ])
      ]
    ]))
    error_message = "a link that was opened too early works a second later"
  }

  assert {
    condition = alltrue([
      for policy in aws_cloudfront_response_headers_policy.files :
      strcontains(policy.security_headers_config[0].content_security_policy[0].content_security_policy, "sandbox") &&
      policy.security_headers_config[0].content_type_options[0].override
    ])
    error_message = "files run nothing and have the type that we say"
  }

  assert {
    condition = (
      aws_cloudfront_cache_policy.files.parameters_in_cache_key_and_forwarded_to_origin[0].query_strings_config[0].query_string_behavior == "none" &&
      aws_cloudfront_cache_policy.files.parameters_in_cache_key_and_forwarded_to_origin[0].cookies_config[0].cookie_behavior == "none"
    )
    error_message = "the signature is no part of the cache key"
  }
}
