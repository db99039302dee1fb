# An installation with every service on both stacks, for the tests of this module.
name = "funmagic-test"
network = {
  vpc_id              = "vpc-test"
  public_subnet_ids   = ["subnet-a", "subnet-b"]
  public_subnet_cidrs = ["10.20.0.0/20", "10.20.16.0/20"]
  private_subnet_ids  = ["subnet-c", "subnet-d"]
  security_group_ids  = { load_balancer = "sg-load-balancer", services = "sg-services" }
}
beta_services = {
  auth            = { cpu = 256, memory_mib = 512, min_count = 2, max_count = 4 }
  asset           = { cpu = 512, memory_mib = 1024, min_count = 2, max_count = 10 }
  credit          = { cpu = 256, memory_mib = 512, min_count = 2, max_count = 4 }
  task-gateway    = { cpu = 1024, memory_mib = 2048, min_count = 2, max_count = 20 }
  progress        = { cpu = 512, memory_mib = 1024, min_count = 2, max_count = 10 }
  provider-worker = { cpu = 1024, memory_mib = 2048, min_count = 1, max_count = 5 }
}
stable      = { instance_type = "t3.medium", instances = 1, disk_gib = 50 }
images      = { registry = "123456789012.dkr.ecr.us-east-2.amazonaws.com/funmagic", tag = "0123abc" }
environment = { LOG_LEVEL = "info" }
secret_arns = {
  DATABASE_URL           = "arn:aws:secretsmanager:us-east-2:123456789012:secret:database"
  REDIS_QUEUE_URL        = "arn:aws:secretsmanager:us-east-2:123456789012:secret:queue"
  REDIS_CACHE_URL        = "arn:aws:secretsmanager:us-east-2:123456789012:secret:cache"
  METRICS_AUTH_TOKEN     = "arn:aws:secretsmanager:us-east-2:123456789012:secret:metrics"
  SECRET_KEY             = "arn:aws:secretsmanager:us-east-2:123456789012:secret:key"
  SECRET_KEY_PREVIOUS    = "arn:aws:secretsmanager:us-east-2:123456789012:secret:previous"
  LOKI_PASSWORD          = "arn:aws:secretsmanager:us-east-2:123456789012:secret:loki"
  PROMETHEUS_PASSWORD    = "arn:aws:secretsmanager:us-east-2:123456789012:secret:prometheus"
  CLOUDFRONT_PRIVATE_KEY = "arn:aws:secretsmanager:us-east-2:123456789012:secret:cloudfront"
}
bucket_arns = {
  public  = "arn:aws:s3:::funmagic-test-public"
  private = "arn:aws:s3:::funmagic-test-private"
  admin   = "arn:aws:s3:::funmagic-test-admin"
}
public_distribution_arn = "arn:aws:cloudfront::123456789012:distribution/PUBLIC"
log_bucket              = "funmagic-test-logs"
certificate_arn         = "arn:aws:acm:us-east-2:123456789012:certificate/origin"
log_retention_days      = 90
grafana = {
  loki_url            = "https://logs.example/loki/api/v1/push"
  loki_username       = "logs"
  prometheus_url      = "https://metrics.example/api/prom/push"
  prometheus_username = "metrics"
  configuration       = "// the configuration of Alloy"
}
