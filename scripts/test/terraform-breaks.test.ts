import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { TerraformWorkspace } from './terraform-workspace.ts'

// The tests of the modules can fail: each of these breaks is noticed by the test that should.
interface Break {
  readonly what: string
  readonly module: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly test: string
  readonly notice: RegExp
}

const breaks: readonly Break[] = [
  {
    what: 'a public bucket',
    module: 'data',
    file: 'buckets.tf',
    from: 'block_public_policy     = true',
    to: 'block_public_policy     = false',
    test: 'data',
    notice: /blocks public access/,
  },
  {
    what: 'a policy without AWS:SourceArn',
    module: 'edge',
    file: 'bucket-policies.tf',
    from: 'Condition = { StringEquals = { "AWS:SourceArn" = reader.distribution } }',
    to: 'Condition = { StringEquals = { "AWS:SourceAccount" = "123456789012" } }',
    test: 'edge',
    notice: /named by AWS:SourceArn/,
  },
  {
    what: 'a private distribution without a key group',
    module: 'edge',
    file: 'cdn-distributions.tf',
    from: 'trusted_key_groups         = [aws_cloudfront_key_group.this.id]',
    to: 'trusted_key_groups         = []',
    test: 'edge',
    notice: /without a signature/,
  },
  {
    what: 'swapped priorities',
    module: 'compute',
    file: 'listener-rules.tf',
    from: 'number = rule.priority * 2000\n',
    to: 'number = (10 - rule.priority) * 2000\n',
    test: 'rules',
    notice: /the header beats the cookie/,
  },
  {
    what: 'a cookie that is matched as a substring',
    module: 'compute',
    file: 'listener-rules.tf',
    from: '["*; ${rule.cookie.name}=${rule.cookie.value}", "*; ${rule.cookie.name}=${rule.cookie.value};*"]',
    to: '["*${rule.cookie.name}=${rule.cookie.value}*"]',
    test: 'rules',
    notice: /never as a part of another one/,
  },
  {
    what: 'a listener rule without the token of CloudFront',
    module: 'compute',
    file: 'listener-rules.tf',
    from: 'values           = [random_password.origin_token.result]',
    to: 'values           = ["*"]',
    test: 'rules',
    notice: /asks for CloudFront's token/,
  },
  {
    what: 'an action with a wildcard',
    module: 'compute',
    file: 'roles.tf',
    from: 'Action   = ["s3:ListBucket"]',
    to: 'Action   = ["s3:*"]',
    test: 'roles',
    notice: /no role has an action with a wildcard/,
  },
  {
    what: 'a missing alarm',
    module: 'observability',
    file: 'alarms.tf',
    from: 'resource "aws_cloudwatch_metric_alarm" "service_errors" {\n  for_each = var.target_group_arn_suffixes',
    to: 'resource "aws_cloudwatch_metric_alarm" "service_errors" {\n  for_each = {}',
    test: 'observability',
    notice: /is an alarm/,
  },
  {
    what: 'a queue that evicts',
    module: 'data',
    file: 'redis.tf',
    from: 'value = "noeviction"',
    to: 'value = "allkeys-lru"',
    test: 'data',
    notice: /never forget a job/,
  },
  {
    what: 'a load balancer that anybody reaches',
    module: 'network',
    file: 'security-groups.tf',
    from: 'prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id',
    to: 'cidr_ipv4         = "0.0.0.0/0"',
    test: 'network',
    notice: /only CloudFront/,
  },
]

t.setTimeout(900_000)
const workspace = await TerraformWorkspace.open()

if (typeof workspace === 'string') {
  t.pass('Terraform', { skip: workspace })
} else {
  t.teardown(() => workspace[Symbol.asyncDispose]())

  for (const { what, module, file, from, to, test, notice } of breaks) {
    t.test(`${what} is noticed`, async t => {
      const path = workspace.pathOf(`modules/${module}/${file}`)
      const whole = await readFile(path, 'utf8')
      t.ok(whole.includes(from), `${file} has what is to be broken`)
      await writeFile(path, whole.replace(from, to))

      await workspace.init(`modules/${module}`)
      const outcome = await workspace.test(`modules/${module}`, {
        file: `tests/${test}.tftest.hcl`,
      })
      await writeFile(path, whole)

      t.not(outcome.code, 0)
      t.match(outcome.faults.join('\n'), notice)
    })
  }
}
