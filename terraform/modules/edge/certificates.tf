# Two certificates, because CloudFront takes its own from us-east-1 and the load balancer its own
# from its region. Cloudflare's DNS proves that the names are ours.

locals {
  hosts = {
    app         = var.domain
    api         = "api.${var.domain}"
    admin       = "admin.${var.domain}"
    cdn         = "cdn.${var.domain}"
    private_cdn = "private-cdn.${var.domain}"
    origin      = "origin.${var.domain}"
  }
  viewer_hosts = [for role in ["api", "admin", "cdn", "private_cdn"] : local.hosts[role]]
}

resource "aws_acm_certificate" "viewers" {
  provider = aws.us_east_1

  domain_name               = local.hosts.app
  subject_alternative_names = local.viewer_hosts
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate_validation" "viewers" {
  provider = aws.us_east_1

  certificate_arn         = aws_acm_certificate.viewers.arn
  validation_record_fqdns = [for host in concat([local.hosts.app], local.viewer_hosts) : cloudflare_dns_record.viewers_proof[host].name]
}

resource "aws_acm_certificate" "origin" {
  domain_name       = local.hosts.origin
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate_validation" "origin" {
  certificate_arn         = aws_acm_certificate.origin.arn
  validation_record_fqdns = [cloudflare_dns_record.origin_proof.name]
}

# The keys are host names, known before the certificate is: a plan from nothing can count them.
resource "cloudflare_dns_record" "viewers_proof" {
  for_each = toset(concat([local.hosts.app], local.viewer_hosts))

  zone_id = var.cloudflare_zone_id
  type    = "CNAME"
  ttl     = 300
  proxied = false
  comment = "Proves ${each.key} to ACM"

  name = trimsuffix(one([
    for option in aws_acm_certificate.viewers.domain_validation_options :
    option.resource_record_name if option.domain_name == each.key
  ]), ".")
  content = trimsuffix(one([
    for option in aws_acm_certificate.viewers.domain_validation_options :
    option.resource_record_value if option.domain_name == each.key
  ]), ".")
}

resource "cloudflare_dns_record" "origin_proof" {
  zone_id = var.cloudflare_zone_id
  type    = "CNAME"
  ttl     = 300
  proxied = false
  comment = "Proves ${local.hosts.origin} to ACM"
  name    = trimsuffix(one(aws_acm_certificate.origin.domain_validation_options[*].resource_record_name), ".")
  content = trimsuffix(one(aws_acm_certificate.origin.domain_validation_options[*].resource_record_value), ".")
}
