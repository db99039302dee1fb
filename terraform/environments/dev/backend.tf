# Bucket and key are in backend.hcl: terraform init -backend-config=backend.hcl
# S3 itself holds the lock (use_lockfile); the DynamoDB table of former years is deprecated (TR12).
terraform {
  backend "s3" {
    region       = "us-east-2"
    encrypt      = true
    use_lockfile = true
  }
}
