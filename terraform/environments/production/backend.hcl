bucket = "funmagic-terraform-state"
key    = "production/terraform.tfstate"
