# Grafana Alloy on the EC2 machines (O8), where tfvars name a Grafana: the same configuration as
# docker/alloy has for one machine. On Fargate there is no engine's socket to read logs from.

locals {
  alloy = {
    for name, grafana in { alloy = var.grafana } : name => {
      image                      = "docker.io/grafana/alloy:v1.11.3"
      restart                    = "unless-stopped"
      read_only                  = true
      cap_drop                   = ["ALL"]
      cap_add                    = ["DAC_OVERRIDE"]
      security_opt               = ["no-new-privileges:true"]
      tmpfs                      = ["/tmp", "/var/lib/alloy/data"]
      command                    = ["run", "--storage.path=/var/lib/alloy/data", "/etc/alloy/config.alloy"]
      env_file                   = ["/run/funmagic/${name}"]
      volumes = [
        "/opt/funmagic/config.alloy:/etc/alloy/config.alloy:ro",
        "/var/run/docker.sock:/var/run/docker.sock:ro",
      ]
      environment = {
        ALLOY_ENV           = local.stage
        LOKI_URL            = grafana.loki_url
        LOKI_USERNAME       = grafana.loki_username
        PROMETHEUS_URL      = grafana.prometheus_url
        PROMETHEUS_USERNAME = grafana.prometheus_username
      }
    } if grafana != null
  }

  alloy_secrets = { for name, _ in local.alloy : name => toset(["METRICS_AUTH_TOKEN", "LOKI_PASSWORD", "PROMETHEUS_PASSWORD"]) }
}
