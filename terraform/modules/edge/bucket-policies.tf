# Only our distributions read, each what it serves: the service principal alone would be
# every distribution of every account, so AWS:SourceArn names ours (seed 000 §2). Our services come
# by their roles. Nothing asks for If-None-Match: copies into a bucket with such a rule fail (TR19).

locals {
  readers = [
    { bucket = "public", prefix = "public/", by = "Public", distribution = aws_cloudfront_distribution.public.arn },
    { bucket = "private", prefix = "private/", by = "Private", distribution = aws_cloudfront_distribution.private.arn },
    # The reference of the API, under the host of the API.
    { bucket = "public", prefix = "public/ops/api/", by = "App", distribution = aws_cloudfront_distribution.app.arn },
    { bucket = "public", prefix = "site/", by = "AppOfPages", distribution = aws_cloudfront_distribution.app.arn },
  ]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = var.buckets

  bucket = each.value.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [each.value.arn, "${each.value.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      [
        for reader in [for reader in local.readers : reader if reader.bucket == each.key] : {
          Sid       = "ReadBy${reader.by}Distribution"
          Effect    = "Allow"
          Principal = { Service = "cloudfront.amazonaws.com" }
          Action    = "s3:GetObject"
          Resource  = "${each.value.arn}/${reader.prefix}*"
          Condition = { StringEquals = { "AWS:SourceArn" = reader.distribution } }
        }
      ],
    )
  })
}
