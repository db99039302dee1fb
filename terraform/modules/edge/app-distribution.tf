# The app and its API. Pages are files (web.tf). Every request to the API goes through to the load
# balancer, so that its rules decide who is served by which stack; nothing of it is cached, so nobody
# gets another stack's answer (G2).

data "aws_cloudfront_cache_policy" "none" {
  name = "Managed-CachingDisabled"
}

# A signature is made over headers that each vendor names as it likes, and a socket is opened with
# headers of its own: these paths get whatever the viewer sent.
data "aws_cloudfront_origin_request_policy" "everything" {
  name = "Managed-AllViewerExceptHostHeader"
}

# Exactly the steering header and cookie, and what the API reads: CloudFront drops the rest. Ten
# headers are the most that a policy takes.
resource "aws_cloudfront_origin_request_policy" "app" {
  name = "${var.name}-app"

  headers_config {
    header_behavior = "whitelist"

    headers {
      items = [
        "X-Dev-Mode",
        "Origin",
        "Sec-Fetch-Site",
        "User-Agent",
        "X-Request-Id",
        "Idempotency-Key",
        "Last-Event-ID",
        "Prefer",
        "If-Match",
        "If-None-Match",
      ]
    }
  }

  cookies_config {
    cookie_behavior = "whitelist"

    cookies {
      items = ["x-beta-access", "__Host-funmagic_session"]
    }
  }

  query_strings_config {
    query_string_behavior = "all"
  }
}

locals {
  unfiltered_paths = ["/api/webhooks/*", "/api/credits/webhooks/*", "/api/progress/ws"]
}

resource "aws_cloudfront_distribution" "app" {
  comment         = "${var.name} app and API"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  aliases         = [local.hosts.app, local.hosts.api, local.hosts.admin]
  price_class     = var.price_class
  web_acl_id      = aws_wafv2_web_acl.app.arn

  origin {
    origin_id   = "load-balancer"
    domain_name = local.hosts.origin

    custom_origin_config {
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      http_port              = 80
      https_port             = 443
      # As the load balancer: a stream speaks every 6 s, so a silent minute is a dead origin.
      origin_read_timeout      = 60
      origin_keepalive_timeout = 55
    }

    custom_header {
      name  = "X-Origin-Token"
      value = var.origin_token
    }
  }

  origin {
    origin_id                = "web"
    domain_name              = var.buckets["public"].domain_name
    origin_path              = "/site"
    origin_access_control_id = aws_cloudfront_origin_access_control.this.id
  }

  # What deploy.yml has put there: the merged OpenAPI document and its reference page.
  origin {
    origin_id                = "api-reference"
    domain_name              = var.buckets["public"].domain_name
    origin_path              = "/public/ops"
    origin_access_control_id = aws_cloudfront_origin_access_control.this.id
  }

  dynamic "ordered_cache_behavior" {
    for_each = ["/api/openapi.json", "/api/docs*"]

    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = "api-reference"
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ["GET", "HEAD"]
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      cache_policy_id            = aws_cloudfront_cache_policy.files.id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.app.id
    }
  }

  default_cache_behavior {
    target_origin_id           = "web"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = aws_cloudfront_cache_policy.files.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.web.id

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.pages.arn
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.unfiltered_paths

    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = "load-balancer"
      viewer_protocol_policy     = "https-only"
      allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
      cached_methods             = ["GET", "HEAD"]
      cache_policy_id            = data.aws_cloudfront_cache_policy.none.id
      origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.everything.id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.app.id

      function_association {
        event_type   = "viewer-request"
        function_arn = aws_cloudfront_function.steering.arn
      }
    }
  }

  # Last of the paths: the first that fits is taken.
  ordered_cache_behavior {
    path_pattern               = "/api/*"
    target_origin_id           = "load-balancer"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = data.aws_cloudfront_cache_policy.none.id
    origin_request_policy_id   = aws_cloudfront_origin_request_policy.app.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.app.id

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.steering.arn
    }
  }

  # Errors of the API are answers to one request.
  dynamic "custom_error_response" {
    for_each = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]

    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.viewers.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}
