# Every name is "DNS only" (grey cloud, seed 000 §1): behind Cloudflare's proxy there would be two
# caches, one of which no invalidation reaches, and a second party would end TLS.

resource "cloudflare_dns_record" "app" {
  for_each = toset([local.hosts.app, local.hosts.api, local.hosts.admin])

  zone_id = var.cloudflare_zone_id
  name    = each.key
  type    = "CNAME"
  content = aws_cloudfront_distribution.app.domain_name
  ttl     = 300
  proxied = false
  comment = "The app distribution of ${var.name}"
}

resource "cloudflare_dns_record" "cdn" {
  zone_id = var.cloudflare_zone_id
  name    = local.hosts.cdn
  type    = "CNAME"
  content = aws_cloudfront_distribution.public.domain_name
  ttl     = 300
  proxied = false
  comment = "Public files of ${var.name}"
}

resource "cloudflare_dns_record" "private_cdn" {
  zone_id = var.cloudflare_zone_id
  name    = local.hosts.private_cdn
  type    = "CNAME"
  content = aws_cloudfront_distribution.private.domain_name
  ttl     = 300
  proxied = false
  comment = "Private files of ${var.name}, signed URLs only"
}

resource "cloudflare_dns_record" "origin" {
  zone_id = var.cloudflare_zone_id
  name    = local.hosts.origin
  type    = "CNAME"
  content = var.load_balancer_dns_name
  ttl     = 300
  proxied = false
  comment = "Where CloudFront finds the load balancer of ${var.name}"
}
