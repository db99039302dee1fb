# The same in every environment: what differs is in terraform.tfvars. Outputs become inputs from left
# to right, network, data, compute, edge, observability, but for what compute must know of the edge: the
# certificate, the key that signs, and the distribution that forgets.

locals {
  name     = "funmagic-${var.environment}"
  routing  = jsondecode(file("${path.module}/../../../services/routing.json"))
  services = jsondecode(file("${path.module}/../../services.json"))
  origins  = [for role in ["app", "admin"] : "https://${module.edge.hosts[role]}"]
}

module "network" {
  source = "../../modules/network"

  name                    = local.name
  cidr                    = var.network.cidr
  availability_zones      = var.network.availability_zones
  nat_gateways            = var.network.nat_gateways
  interface_endpoints     = var.network.interface_endpoints
  service_ports           = [for path in local.routing.paths : local.routing.services[path.service].port]
  flow_log_retention_days = var.log_retention_days
}

module "data" {
  source = "../../modules/data"

  name               = local.name
  subnet_ids         = module.network.database_subnet_ids
  security_group_ids = module.network.security_group_ids
  database           = var.database
  queue              = var.queue
  cache              = var.cache
  upload_origins     = local.origins
  replica_region     = var.replica_region
  provided_secrets   = local.provided_secrets
  log_retention_days = var.log_retention_days
}

module "compute" {
  source = "../../modules/compute"

  name                    = local.name
  network                 = module.network
  routing                 = local.routing
  services                = local.services
  beta_services           = var.beta_services
  stable                  = var.stable
  images                  = var.images
  environment             = local.environment
  secret_arns             = module.data.secret_arns
  bucket_arns             = { for role, bucket in module.data.buckets : role => bucket.arn }
  public_distribution_arn = module.edge.distributions["public"].arn
  grafana                 = local.grafana
  log_bucket              = module.data.log_bucket.name
  certificate_arn         = module.edge.origin_certificate_arn
  log_retention_days      = var.log_retention_days
}

module "edge" {
  source    = "../../modules/edge"
  providers = { aws = aws, aws.us_east_1 = aws.us_east_1 }

  name                      = local.name
  domain                    = var.edge.domain
  cloudflare_zone_id        = var.edge.cloudflare_zone_id
  load_balancer_dns_name    = try(module.failover["origin"].dns_name, module.compute.load_balancer_dns_name)
  origin_token              = module.compute.origin_token
  buckets                   = module.data.buckets
  log_bucket_arn            = module.data.log_bucket.arn
  origin_shield_region      = "us-east-2"
  signing_keys              = var.edge.signing_keys
  active_signing_key        = var.edge.active_signing_key
  requests_per_five_minutes = var.edge.requests_per_five_minutes
  price_class               = var.edge.price_class
}
