output "origin_certificate_arn" {
  description = "Certificate of the host name under which CloudFront reaches the load balancer."
  value       = aws_acm_certificate_validation.origin.certificate_arn
}

output "distributions" {
  description = "The distributions by what they serve: app, public, private."
  value = {
    for role, distribution in {
      app     = aws_cloudfront_distribution.app
      public  = aws_cloudfront_distribution.public
      private = aws_cloudfront_distribution.private
    } : role => { id = distribution.id, arn = distribution.arn }
  }
}

output "hosts" {
  description = "Host names by role: app, api, admin, cdn, private_cdn, origin."
  value       = local.hosts
}

output "signing_key_id" {
  description = "Id of the key that private URLs are signed with (CLOUDFRONT_KEY_PAIR_ID)."
  value       = aws_cloudfront_public_key.this[var.active_signing_key].id
}

output "signing_key_ids" {
  description = "Ids of all keys that private URLs may be signed with, by name."
  value       = { for name, key in aws_cloudfront_public_key.this : name => key.id }
}

output "firewall_name" {
  description = "The web ACL, as CloudWatch's metrics name it."
  value       = aws_wafv2_web_acl.app.name
}
