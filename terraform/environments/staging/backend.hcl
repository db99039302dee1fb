bucket = "funmagic-terraform-state"
key    = "staging/terraform.tfstate"
