environment = "production"

network = {
  cidr                = "10.30.0.0/16"
  availability_zones  = ["us-east-2a", "us-east-2b", "us-east-2c"]
  nat_gateways        = 3
  interface_endpoints = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"]
}

database = {
  instance_class      = "db.r6g.large"
  multi_az            = true
  storage_gib         = 100
  storage_max_gib     = 1000
  replicas            = 0
  deletion_protection = true
}

queue = { node_type = "cache.r6g.large", nodes = 2 }
cache = { node_type = "cache.r6g.large", nodes = 2 }

replica_region = "us-west-2"

# The account's registry; deployments pass the tag with -var.
images = { registry = "123456789012.dkr.ecr.us-east-2.amazonaws.com/funmagic", tag = "0000000" }

stable = { instance_type = "t3.large", instances = 2, disk_gib = 50 }

# The ECS switch. Sizes and bounds are seed 003's: web 1024/2048 with 2 to 20 copies, sockets 512/1024
# with 2 to 10, the heavy worker 2048/4096 with 1 to 5.
beta_services = {
  auth            = { cpu = 512, memory_mib = 1024, min_count = 2, max_count = 10 }
  asset           = { cpu = 1024, memory_mib = 2048, min_count = 2, max_count = 20 }
  credit          = { cpu = 512, memory_mib = 1024, min_count = 2, max_count = 10 }
  task-gateway    = { cpu = 1024, memory_mib = 2048, min_count = 2, max_count = 20 }
  progress        = { cpu = 512, memory_mib = 1024, min_count = 2, max_count = 10 }
  provider-worker = { cpu = 2048, memory_mib = 4096, min_count = 1, max_count = 5 }
}

edge = {
  domain             = "funmagic.ai"
  cloudflare_zone_id = "00000000000000000000000000000000"

  # Placeholders that no private half exists of: put in your own (terraform/README.md).
  signing_keys = {
    current = <<-PEM
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA6rRo+VqxZw8VHFJhxwF+
      MEKzv3JCfADzKICE1eOSPS0VZj6BODuAkJbBEVDWRFfTppqI+KKrL9B09IQSoT/x
      Di3GHQUBI5cALInAjPt7+GXKXottX9yTVBtvWztqE5m+HuCa7htl1HivD0cIUESV
      2+6C/2DTsgnmCdYk8etjucHVrnnOuNr/6iQZkdlXxWEaR31NEK9X+6VuP6q1PkGu
      Vc5k6E5xU0z7Us4bfjrJwHrhfHX7fdtznTP7PfQz+Q005l9AwthJ+DN8ZRI/3RDq
      3//CjwKZkAL1qogMc+eEN23SezdRtFvaD3lpLEWA1NEKXnIwC11SCCkfG5RCzlTc
      iQIDAQAB
      -----END PUBLIC KEY-----
    PEM
    next    = <<-PEM
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA4k4p0XiSKmv9Uat3Vu6y
      o5qGnrJVavv39PdjGiIrHNe0SYRQAGnim/euCQ1fwNdjeHclup69dzSLVw9TC6vP
      2OQKLB/1zlJw7eGdMiATN4VwdJZwo9aZqmn8s07RrUyigZPQK2DTgyx4v1wNx44J
      9bCAC5nVysRufLCZ5tteHHjSszhPhB9k7BzqLT4zioWfmnJf8qWjuebdcgQ1vPYy
      QpmxFCTtIntka+wDU9+Yk4tT1lmJ6o/4VMB3x6e34RuBeMWYDgYFN6ocht6dkdT3
      SMBC7AZo9NAGnHHr3VehCCD9/Z/bTtksYjBFGGZs9oDZtfKDoAzTf68bbK7W+8FF
      uwIDAQAB
      -----END PUBLIC KEY-----
    PEM
  }
  active_signing_key        = "current"
  requests_per_five_minutes = 2000
  price_class               = "PriceClass_All"
}

alerts = { emails = ["on-call@funmagic.ai"], daily_cost_limit_usd = 100 }

log_level          = "info"
log_retention_days = 90
rate_limit_profile = "production"
