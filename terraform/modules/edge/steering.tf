# What viewers say about steering is made exact before the load balancer sees it, and once there is
# a secret in the store, only what was signed with it counts (TR10). People put the secret in: without
# one, the plain header and cookie work as the seeds have them.

resource "aws_cloudfront_key_value_store" "steering" {
  name    = "${var.name}-steering"
  comment = "secret: signs X-Dev-Mode and x-beta-access; without it the plain values count"
}

resource "aws_cloudfront_function" "steering" {
  name                         = "${var.name}-steering"
  runtime                      = "cloudfront-js-2.0"
  comment                      = "Exact and, with a secret, signed steering"
  publish                      = true
  code                         = file("${path.module}/steering.js")
  key_value_store_associations = [aws_cloudfront_key_value_store.steering.arn]
}
