environment = "staging"

network = {
  cidr                = "10.20.0.0/16"
  availability_zones  = ["us-east-2a", "us-east-2b"]
  nat_gateways        = 1
  interface_endpoints = []
}

database = {
  instance_class      = "db.t4g.medium"
  multi_az            = false
  storage_gib         = 50
  storage_max_gib     = 200
  replicas            = 0
  deletion_protection = true
}

queue = { node_type = "cache.t4g.small", nodes = 1 }
cache = { node_type = "cache.t4g.small", nodes = 1 }

replica_region = ""

# The account's registry; deployments pass the tag with -var.
images = { registry = "123456789012.dkr.ecr.us-east-2.amazonaws.com/funmagic", tag = "0000000" }

stable = { instance_type = "t3.medium", instances = 1, disk_gib = 50 }

# The ECS switch: one copy of each, to try what production runs.
beta_services = {
  auth            = { cpu = 256, memory_mib = 512, min_count = 1, max_count = 2 }
  asset           = { cpu = 512, memory_mib = 1024, min_count = 1, max_count = 2 }
  credit          = { cpu = 256, memory_mib = 512, min_count = 1, max_count = 2 }
  task-gateway    = { cpu = 512, memory_mib = 1024, min_count = 1, max_count = 2 }
  progress        = { cpu = 256, memory_mib = 512, min_count = 1, max_count = 2 }
  provider-worker = { cpu = 512, memory_mib = 1024, min_count = 1, max_count = 2 }
}

edge = {
  domain             = "staging.funmagic.ai"
  cloudflare_zone_id = "00000000000000000000000000000000"

  # Placeholders that no private half exists of: put in your own (terraform/README.md).
  signing_keys = {
    current = <<-PEM
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqH1+zRLt6DAUxm6e+5I7
      IF2QtOZhKA1jRUbS2F403tnyhb1PgVyRN4xLPy9R1SuyrAWFGIRUspWIUXFc/iEy
      aIiygyojQTqAsifW+BQ3XZzsrqW3+0OQTyr/v+wPloNV+ygSK9KfEY2gbRAfcFIv
      vZKAwIJeRG5SMq2ZFfaHOFDDQXnA87MnQdiPc8VCob+A9uaFPascuv+bxAnjBB0E
      ms1qwg11cJmU4IrTUoOAaYx4tQgbx1+CMb/MJ6HwBkmk4jJ7yXtE2esLrwfa1oHI
      kpCsvyJ6SkJYWoobqOyGxSinFlFI5/8Nbv9TndHAvbbmDF0ITZ0tMPuLyHmQ3xHn
      YwIDAQAB
      -----END PUBLIC KEY-----
    PEM
    next    = <<-PEM
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0VgPBKDBsJJgOgbSr12K
      r+7iIpDS+VUzNDgyKIUxkRmYQ7L2EQiWiXDU76ee3JyyPRooRxIh4sJoCI8Q4sXq
      p1DH1OOe8/qZLcOaLnQ5sqWeCYrqBoqdYmt/GuUVv4JxXZDcSIWavsT/jC/7iNxX
      T9C6XeZpTfNq8PvptFuWhCNV66IRDkm5ZqkpnA0+AZxYk0h3g+lR3A18WxPDhZ2d
      TNjCPZno8Pf0aQEuBsWMuRtYc9iKivvptPKfC/bgmV2iaQc8j2ci7aNbkRskwwm3
      DENKWcjti0XfscF2MSAGtWbTzSvJDm6qPJOqsUoITJhLRmhEAFxuQ3yWV4662WeJ
      swIDAQAB
      -----END PUBLIC KEY-----
    PEM
  }
  active_signing_key        = "current"
  requests_per_five_minutes = 2000
  price_class               = "PriceClass_100"
}

alerts = { emails = ["on-call@funmagic.ai"], daily_cost_limit_usd = 40 }

log_level          = "info"
log_retention_days = 90
rate_limit_profile = "production"
