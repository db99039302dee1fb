output "dns_name" {
  description = "The name that leads to a healthy load balancer."
  value       = "origin.${aws_route53_zone.this.name}"
}
