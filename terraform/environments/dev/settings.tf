# What every service is told that is no secret. scripts/test/terraform-files.test.ts holds it and
# terraform/services.json against the configuration schemas of the services.

locals {
  rotation = merge([
    for next in var.extras.next_signing_key[*] : {
      CLOUDFRONT_NEXT_KEY_FROM    = next.from
      CLOUDFRONT_NEXT_KEY_PAIR_ID = module.edge.signing_key_ids[next.name]
    }
  ]...)

  # Providers and Stripe call the API. Session cookies are the API's alone: no COOKIE_DOMAIN. Those of
  # the gallery are made by the API for the private CDN, so for what both are below.
  environment = merge(var.extras.settings, local.rotation, {
    ALLOWED_ORIGINS         = join(",", concat(local.origins, ["https://${module.edge.hosts["api"]}"]))
    CDN_DISTRIBUTION_ID     = module.edge.distributions["public"].id
    CDN_URL                 = "https://${module.edge.hosts["cdn"]}"
    CHECKOUT_CANCEL_URL     = "https://${module.edge.hosts["app"]}/credits?checkout=canceled"
    CHECKOUT_SUCCESS_URL    = "https://${module.edge.hosts["app"]}/credits?checkout=success"
    CLOUDFRONT_KEY_PAIR_ID  = module.edge.signing_key_id
    FAL_WEBHOOK_JWKS_URL    = "https://rest.fal.ai/.well-known/jwks.json"
    GALLERY_COOKIE_DOMAIN   = var.edge.domain
    LOG_LEVEL               = var.log_level
    NODE_ENV                = "production"
    OTEL_TRACES_SAMPLER     = "parentbased_traceidratio"
    OTEL_TRACES_SAMPLER_ARG = "0.1"
    PRIVATE_CDN_URL         = "https://${module.edge.hosts["private_cdn"]}"
    PROVIDER_CALLBACK_URL   = "https://${module.edge.hosts["api"]}"
    RATE_LIMIT_PROFILE      = var.rate_limit_profile
    S3_BUCKET_ADMIN         = module.data.buckets["admin"].name
    S3_BUCKET_PRIVATE       = module.data.buckets["private"].name
    S3_BUCKET_PUBLIC        = module.data.buckets["public"].name
    S3_REGION               = "us-east-2"
  })

  # Values that people put in before the services start: which a service gets, services.json says.
  provided_secrets = setunion(
    ["CLOUDFRONT_PRIVATE_KEY"],
    var.extras.secrets,
    var.extras.next_signing_key == null ? [] : ["CLOUDFRONT_NEXT_PRIVATE_KEY"],
    var.extras.grafana == null ? [] : ["LOKI_PASSWORD", "PROMETHEUS_PASSWORD"],
  )

  grafana = var.extras.grafana == null ? null : {
    loki_url            = var.extras.grafana.loki_url
    loki_username       = var.extras.grafana.loki_username
    prometheus_url      = var.extras.grafana.prometheus_url
    prometheus_username = var.extras.grafana.prometheus_username
    configuration       = file("${path.module}/../../../docker/alloy/config.alloy")
  }
}
