# Files are what users sent. Whatever the browser makes of one, it runs nothing, guesses no type and
# is framed by nobody; the app's pages may draw it on a canvas.

resource "aws_cloudfront_response_headers_policy" "files" {
  for_each = toset(["public", "private"])

  name = "${var.name}-${each.key}-files"

  security_headers_config {
    content_security_policy {
      content_security_policy = "default-src 'none'; sandbox"
      override                = true
    }

    content_type_options {
      override = true
    }

    frame_options {
      frame_option = "DENY"
      override     = true
    }

    referrer_policy {
      referrer_policy = "no-referrer"
      override        = true
    }

    strict_transport_security {
      access_control_max_age_sec = 31536000
      override                   = true
    }
  }

  custom_headers_config {
    items {
      header   = "Cross-Origin-Resource-Policy"
      value    = each.key == "public" ? "cross-origin" : "same-site"
      override = true
    }
  }

  cors_config {
    access_control_allow_credentials = false
    access_control_max_age_sec       = 3600
    origin_override                  = true

    access_control_allow_headers {
      items = ["Range"]
    }

    access_control_allow_methods {
      items = ["GET", "HEAD"]
    }

    access_control_allow_origins {
      items = each.key == "public" ? ["*"] : ["https://${local.hosts.app}", "https://${local.hosts.admin}"]
    }

    access_control_expose_headers {
      items = ["Content-Length", "Content-Range", "ETag"]
    }
  }
}

# The services send the security headers of the API themselves; this is the wall behind them.
resource "aws_cloudfront_response_headers_policy" "app" {
  name = "${var.name}-app"

  security_headers_config {
    content_type_options {
      override = true
    }

    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      override                   = false
    }
  }
}
