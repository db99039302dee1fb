# The web client: files below site/ of the public bucket, where releases put them and where no asset
# lies. Names below site/assets/ follow from the content, so older ones stay: a page that is open
# finds its parts after a release.

resource "aws_cloudfront_function" "pages" {
  name    = "${var.name}-pages"
  runtime = "cloudfront-js-2.0"
  comment = "Every address of a page is the one page"
  publish = true
  code    = file("${path.module}/pages.js")
}

locals {
  picture_origins = "https://${local.hosts.cdn} https://${local.hosts.private_cdn}"
  upload_origin   = "https://${var.buckets["private"].domain_name}"
  web_policy      = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: ${local.picture_origins}; connect-src 'self' ${local.upload_origin}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

# The same as in docker/nginx/web-policy.conf.template; a test compares them.
resource "aws_cloudfront_response_headers_policy" "web" {
  name = "${var.name}-web"

  security_headers_config {
    content_security_policy {
      content_security_policy = local.web_policy
      override                = true
    }

    content_type_options {
      override = true
    }

    referrer_policy {
      referrer_policy = "same-origin"
      override        = true
    }

    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      override                   = true
    }
  }

  custom_headers_config {
    items {
      header   = "Cross-Origin-Opener-Policy"
      value    = "same-origin"
      override = true
    }

    items {
      header   = "Permissions-Policy"
      value    = "camera=(), geolocation=(), microphone=()"
      override = true
    }
  }
}
