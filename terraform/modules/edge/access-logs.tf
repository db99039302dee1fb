# Requests at the edge, into the bucket of logs. The query of a private file is its signature, so
# queries are not written down; of the API's neither, since search texts are in them.

locals {
  logged_distributions = {
    app     = aws_cloudfront_distribution.app.arn
    public  = aws_cloudfront_distribution.public.arn
    private = aws_cloudfront_distribution.private.arn
  }
}

resource "aws_cloudwatch_log_delivery_source" "access" {
  for_each = local.logged_distributions
  provider = aws.us_east_1

  name         = "${var.name}-${each.key}"
  log_type     = "ACCESS_LOGS"
  resource_arn = each.value
}

resource "aws_cloudwatch_log_delivery_destination" "access" {
  provider = aws.us_east_1

  name          = "${var.name}-access"
  output_format = "json"

  delivery_destination_configuration {
    destination_resource_arn = "${var.log_bucket_arn}/AWSLogs"
  }
}

resource "aws_cloudwatch_log_delivery" "access" {
  for_each = aws_cloudwatch_log_delivery_source.access
  provider = aws.us_east_1

  delivery_source_name     = each.value.name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.access.arn

  s3_delivery_configuration = [{
    enable_hive_compatible_path = false
    suffix_path                 = "/{account-id}/CloudFront/${each.key}/{yyyy}/{MM}/{dd}/{HH}"
  }]

  record_fields = [
    "timestamp(ms)", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
    "cs(User-Agent)", "x-edge-result-type", "x-edge-request-id", "cs-protocol", "time-taken", "ssl-protocol",
    "x-edge-detailed-result-type", "time-to-first-byte", "sc-content-type", "sc-range-start",
  ]
}
