# Keys that private URLs are signed with. All of them are trusted at once, so that a rotation is:
# add the new key, sign with it, wait for the longest URL's life, remove the old one.

resource "aws_cloudfront_public_key" "this" {
  for_each = var.signing_keys

  name        = "${var.name}-${each.key}"
  encoded_key = each.value
  comment     = "Private URLs of ${var.name}"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudfront_key_group" "this" {
  name  = var.name
  items = [for key in aws_cloudfront_public_key.this : key.id]
}
