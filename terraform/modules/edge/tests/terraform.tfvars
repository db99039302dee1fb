# An installation of its own domain, for the tests of this module.
name                   = "funmagic-test"
domain                 = "funmagic.ai"
cloudflare_zone_id     = "023e105f4ecef8ad9ca31a8372d0c353"
load_balancer_dns_name = "funmagic-test.us-east-2.elb.amazonaws.com"
origin_token           = "token"
buckets = {
  public  = { name = "funmagic-test-public", arn = "arn:aws:s3:::funmagic-test-public", domain_name = "funmagic-test-public.s3.us-east-2.amazonaws.com" }
  private = { name = "funmagic-test-private", arn = "arn:aws:s3:::funmagic-test-private", domain_name = "funmagic-test-private.s3.us-east-2.amazonaws.com" }
  admin   = { name = "funmagic-test-admin", arn = "arn:aws:s3:::funmagic-test-admin", domain_name = "funmagic-test-admin.s3.us-east-2.amazonaws.com" }
}
log_bucket_arn       = "arn:aws:s3:::funmagic-test-logs"
origin_shield_region = "us-east-2"
signing_keys = {
  first  = "-----BEGIN PUBLIC KEY-----\nfirst\n-----END PUBLIC KEY-----\n"
  second = "-----BEGIN PUBLIC KEY-----\nsecond\n-----END PUBLIC KEY-----\n"
}
active_signing_key        = "second"
requests_per_five_minutes = 2000
price_class               = "PriceClass_100"
