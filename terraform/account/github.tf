# Workflows sign in with the token that GitHub gives each run (OIDC): no key lies anywhere. Who they
# are allowed to be is in the token's subject, compared whole.

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  subjects = merge(
    {
      build = ["repo:${var.repository}:ref:refs/heads/main"]
      # Pull requests show their plan; the drift check plans on main.
      plan = ["repo:${var.repository}:pull_request", "repo:${var.repository}:ref:refs/heads/main"]
    },
    { for environment in var.environments : "deploy-${environment}" => ["repo:${var.repository}:environment:${environment}"] },
  )
}

resource "aws_iam_role" "github" {
  for_each = local.subjects

  name                 = "funmagic-github-${each.key}"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = each.value
        }
      }
    }]
  })
}

# Images are pushed from main only.
resource "aws_iam_role_policy" "build" {
  name = "push-images"
  role = aws_iam_role.github["build"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SignIn"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = "*"
      },
      {
        Sid    = "Push"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImageScanFindings",
          "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = [for repository in aws_ecr_repository.this : repository.arn]
      },
    ]
  })
}

# A plan reads and takes no lock (-lock=false), so it writes nothing. It reads the states, which hold
# secrets: GitHub must ask for an approval before it runs the pull requests of outsiders.
resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.github["plan"].name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

# Terraform makes whole environments, so its role is wide; what it may do to roles is bounded by name,
# and who may take it by the environment's approval in GitHub.
resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = var.environments

  role       = aws_iam_role.github["deploy-${each.key}"].name
  policy_arn = "arn:aws:iam::aws:policy/PowerUserAccess"
}

resource "aws_iam_role_policy" "deploy" {
  for_each = var.environments

  name = "roles-of-${each.key}"
  role = aws_iam_role.github["deploy-${each.key}"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "OwnRoles"
      Effect = "Allow"
      Action = [
        "iam:AddRoleToInstanceProfile", "iam:AttachRolePolicy", "iam:CreateInstanceProfile", "iam:CreateRole",
        "iam:DeleteInstanceProfile", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
        "iam:GetInstanceProfile", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:PassRole", "iam:PutRolePolicy",
        "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile", "iam:TagRole", "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
      ]
      Resource = [
        "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/funmagic-${each.key}-*",
        "arn:aws:iam::${data.aws_caller_identity.current.account_id}:instance-profile/funmagic-${each.key}-*",
      ]
    }]
  })
}

data "aws_caller_identity" "current" {}
