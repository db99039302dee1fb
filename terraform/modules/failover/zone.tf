# Cloudflare answers for the domain, and cannot answer by health (not in DNS-only mode). So one zone
# below the domain is Route 53's: in it is the name that leads CloudFront to a load balancer.

resource "aws_route53_zone" "this" {
  name    = "dns.${var.domain}"
  comment = "Which load balancer serves ${var.name}"
}

# A zone always has four name servers; which ones is known once it is there.
resource "cloudflare_dns_record" "delegation" {
  count = 4

  zone_id = var.cloudflare_zone_id
  name    = "dns.${var.domain}"
  type    = "NS"
  content = aws_route53_zone.this.name_servers[count.index]
  ttl     = 3600
  proxied = false
  comment = "Route 53 answers below dns.${var.domain}"
}
