# What every service is told that is no secret. scripts/test/terraform-files.test.ts holds it and
# terraform/services.json against the configuration schemas of the services.

locals {
  environment = {
    ALLOWED_ORIGINS         = join(",", concat(local.origins, ["https://${module.edge.hosts["api"]}"]))
    CDN_DISTRIBUTION_ID     = module.edge.distributions["public"].id
    CDN_URL                 = "https://${module.edge.hosts["cdn"]}"
    CLOUDFRONT_KEY_PAIR_ID  = module.edge.signing_key_id
    LOG_LEVEL               = var.log_level
    NODE_ENV                = "production"
    OTEL_TRACES_SAMPLER     = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG = "0.1"
    PRIVATE_CDN_URL         = "https://${module.edge.hosts["private_cdn"]}"
    RATE_LIMIT_PROFILE      = var.rate_limit_profile
    S3_BUCKET_ADMIN         = module.data.buckets["admin"].name
    S3_BUCKET_PRIVATE       = module.data.buckets["private"].name
    S3_BUCKET_PUBLIC        = module.data.buckets["public"].name
    S3_REGION               = "us-east-2"
  }

  grafana = var.extras.grafana == null ? null : {
    loki_url            = var.extras.grafana.loki_url
    loki_username       = var.extras.grafana.loki_username
    prometheus_url      = var.extras.grafana.prometheus_url
    prometheus_username = var.extras.grafana.prometheus_username
    configuration       = file("${path.module}/../../../docker/alloy/config.alloy")
  }
}
