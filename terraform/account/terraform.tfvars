repository   = "funmagic-ai/funmagic"
state_bucket = "funmagic-terraform-state"
images = [
  "asset", "auth", "credit", "progress", "provider-worker", "task-gateway", "migrate", "web", "admin",
]
environments = ["dev", "staging", "production"]
