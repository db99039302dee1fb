# An installation with one service on Fargate, for the tests of this module.
name                     = "funmagic-test"
alert_emails             = ["on-call@funmagic.ai"]
daily_cost_limit_usd     = 100
api_host                 = "api.funmagic.ai"
load_balancer_arn_suffix = "app/funmagic-test/1"
target_group_arn_suffixes = {
  "asset/stable" = "targetgroup/asset-stable/1"
  "asset/beta"   = "targetgroup/asset-beta/1"
}
services            = ["asset", "provider-worker"]
fargate_services    = { asset = 2 }
cluster_name        = "funmagic-test"
log_group_names     = { asset = "/funmagic-test/asset", provider-worker = "/funmagic-test/provider-worker" }
postgres_identifier = "funmagic-test-postgres"
redis_cluster_ids   = { queue = "funmagic-test-queue-001", cache = "funmagic-test-cache-001" }
distribution_ids    = { app = "E1", public = "E2", private = "E3" }
