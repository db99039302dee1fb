bucket = "funmagic-terraform-state"
key    = "dev/terraform.tfstate"
