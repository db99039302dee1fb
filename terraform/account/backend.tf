# Bucket and key are in backend.hcl: terraform init -backend-config=backend.hcl
terraform {
  backend "s3" {
    region       = "us-east-2"
    encrypt      = true
    use_lockfile = true
  }
}
