bucket = "funmagic-terraform-state"
key    = "account/terraform.tfstate"
