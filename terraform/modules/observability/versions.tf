terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
      # CloudFront, WAF, Route 53 and billing report their metrics in us-east-1 only.
      configuration_aliases = [aws.us_east_1]
    }
  }
}
