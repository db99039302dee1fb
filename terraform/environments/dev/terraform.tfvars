environment = "dev"

network = {
  cidr                = "10.10.0.0/16"
  availability_zones  = ["us-east-2a", "us-east-2b"]
  nat_gateways        = 1
  interface_endpoints = []
}

database = {
  instance_class      = "db.t4g.medium"
  multi_az            = false
  storage_gib         = 20
  storage_max_gib     = 100
  replicas            = 0
  deletion_protection = false
}

queue = { node_type = "cache.t4g.small", nodes = 1 }
cache = { node_type = "cache.t4g.small", nodes = 1 }

replica_region = ""

# The account's registry; deployments pass the tag with -var.
images = { registry = "123456789012.dkr.ecr.us-east-2.amazonaws.com/funmagic", tag = "0000000" }

stable = { instance_type = "t3.medium", instances = 1, disk_gib = 50 }

# Nothing on Fargate.
beta_services = {}

edge = {
  domain             = "dev.funmagic.ai"
  cloudflare_zone_id = "00000000000000000000000000000000"

  # Placeholders that no private half exists of: put in your own (terraform/README.md).
  signing_keys = {
    current = <<-PEM
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA05arlz5OPd5fTzYQ0RCw
      nR0FRmkPAUh7opkFfGUOT+tldB25Ee0qRgY799+7HpLGjaJWdSNeqkScUPQMm9ls
      aasphtjlKzW5qr3zT8tRpsURiyTrf35Eq4TrfAIaZJyEJdKStHnQq73G868cPxxT
      LosDusEe+PKVsDCmUq1FEffVJ3x1d5X6j56YTMSpsg7Y+kCLbdwuULr9lAEG/6JP
      rDzxz2ZqVZlDUPjmzrrXEyLqcwSDbKlgMbBM2VJqO19U55vfs1Cnvccfju5jbXV3
      nsHx/J812wZElxXeNAOz8sLshA80md7M9xn74LCvb0xYu0x3KvsRSSHOC05VVUki
      YQIDAQAB
      -----END PUBLIC KEY-----
    PEM
    next    = <<-PEM
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuIJvJinZJHE8sUREk3dX
      7vR5Oz/hKqcZqFHK67iKCgrLqWlptXf8LOLKtZplnJTawkUfQDsB8QLG1f+PzsUk
      IpCxhjHPXbwul0s9tw8FgSzcBpNqsTH0GlFB7gesiO/RPYMvZa8nq9UlSQfadAWs
      OLglNkPnF6+lvKlLHTXS//a2SnhUOVczU1LGkE9H8DD4hVv7mPQGKbKOD2jm5Tmo
      n/AP9HZjGDn/0OcwdTPtZArL6hR3dyGfNqK7El+j1l9EON+sQ8CC6ZCtmYv669qr
      b2fVqN06VJJevmA6Ra1QUhEsTSQvXQUaXOG8txj658wWT/6M3y9mIzrrBmKuVVM5
      RwIDAQAB
      -----END PUBLIC KEY-----
    PEM
  }
  active_signing_key        = "current"
  requests_per_five_minutes = 5000
  price_class               = "PriceClass_100"
}

alerts = { emails = ["on-call@funmagic.ai"], daily_cost_limit_usd = 20 }

log_level          = "debug"
log_retention_days = 90
rate_limit_profile = "development"
