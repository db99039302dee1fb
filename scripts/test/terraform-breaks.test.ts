import { readFile, writeFile } from 'node:fs/promises'
import t from 'tap'
import { TerraformWorkspace } from './terraform-workspace.ts'

// The tests of the modules can fail: each of these breaks is noticed by the test that should.
interface Change {
  readonly what: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly notice: RegExp
}

/** Changes that one test file notices together: each has an assertion of its own. */
interface Break {
  readonly module: string
  readonly test: string
  readonly changes: readonly Change[]
}

const breaks: readonly Break[] = [
  {
    module: 'data',
    test: 'data',
    changes: [
      {
        what: 'a public bucket',
        file: 'buckets.tf',
        from: 'block_public_policy     = true',
        to: 'block_public_policy     = false',
        notice: /blocks public access/,
      },
    ],
  },
  {
    module: 'data',
    test: 'data',
    changes: [
      {
        what: 'a database at rest in plain',
        file: 'postgres.tf',
        from: 'storage_encrypted     = true',
        to: 'storage_encrypted     = false',
        notice: /private, encrypted and observed/,
      },
      {
        what: 'a queue that evicts',
        file: 'redis.tf',
        from: 'value = "noeviction"',
        to: 'value = "allkeys-lru"',
        notice: /never forget a job/,
      },
    ],
  },
  {
    module: 'edge',
    test: 'edge',
    changes: [
      {
        what: 'a policy without AWS:SourceArn',
        file: 'bucket-policies.tf',
        from: 'Condition = { StringEquals = { "AWS:SourceArn" = reader.distribution } }',
        to: 'Condition = { StringEquals = { "AWS:SourceAccount" = "123456789012" } }',
        notice: /named by AWS:SourceArn/,
      },
      {
        what: 'a private distribution without a key group',
        file: 'cdn-distributions.tf',
        from: 'trusted_key_groups         = [aws_cloudfront_key_group.this.id]',
        to: 'trusted_key_groups         = []',
        notice: /without a signature/,
      },
    ],
  },
  {
    module: 'compute',
    test: 'rules',
    changes: [
      {
        what: 'swapped priorities',
        file: 'listener-rules.tf',
        from: 'number = rule.priority * 2000\n',
        to: 'number = (10 - rule.priority) * 2000\n',
        notice: /the header beats the cookie/,
      },
      {
        what: 'a cookie that is matched as a substring',
        file: 'listener-rules.tf',
        from: '["*; ${rule.cookie.name}=${rule.cookie.value}", "*; ',
        to: '["*${rule.cookie.name}=${rule.cookie.value}", "*; ',
        notice: /never as a part of another one/,
      },
      {
        what: 'a listener rule without the token of CloudFront',
        file: 'listener-rules.tf',
        from: 'values           = [random_password.origin_token.result]',
        to: 'values           = ["*"]',
        notice: /asks for CloudFront's token/,
      },
    ],
  },
  {
    module: 'compute',
    test: 'roles',
    changes: [
      {
        what: 'an action with a wildcard',
        file: 'roles.tf',
        from: 'Action = concat(["s3:ListBucket"], [',
        to: 'Action = concat(["s3:*"], [',
        notice: /no role has an action with a wildcard/,
      },
    ],
  },
  {
    module: 'compute',
    test: 'compute',
    changes: [
      {
        what: 'a log that is kept for ever',
        file: 'logs.tf',
        from: 'retention_in_days = var.log_retention_days',
        to: 'retention_in_days = null',
        notice: /every log a retention/,
      },
      {
        what: 'a target group whose health nobody asks',
        file: 'target-groups.tf',
        from: `
  health_check {
    path                = var.routing.services[each.key].healthPath
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
`,
        to: '',
        notice: /every target group has a health check/,
      },
      {
        what: 'a container whose health nobody asks',
        file: 'task-definitions.tf',
        from: 'healthCheck = {\n',
        to: 'healthCheck = true ? null : {\n',
        notice: /every container has a read-only disk, a health check/,
      },
      {
        what: 'an idle time-out below the heartbeats of a stream',
        file: 'load-balancer.tf',
        from: 'idle_timeout = 60',
        to: 'idle_timeout = 5',
        notice: /above the stream's 6 s/,
      },
      {
        what: 'an optional secret for services that do not know it',
        file: 'task-definitions.tf',
        from: 'setintersection(given.optional_secrets, keys(var.secret_arns))',
        to: 'keys(var.secret_arns)',
        notice: /gets its secrets and no other one's/,
      },
    ],
  },
  {
    module: 'observability',
    test: 'observability',
    changes: [
      {
        what: 'a missing alarm',
        file: 'alarms.tf',
        from: '"service_errors" {\n  for_each = var.target_group_arn_suffixes',
        to: '"service_errors" {\n  for_each = {}',
        notice: /is an alarm/,
      },
    ],
  },
  {
    module: 'network',
    test: 'network',
    changes: [
      {
        what: 'a load balancer that anybody reaches',
        file: 'security-groups.tf',
        from: 'prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id',
        to: 'cidr_ipv4         = "0.0.0.0/0"',
        notice: /only CloudFront/,
      },
    ],
  },
]

t.setTimeout(900_000)
const workspace = await TerraformWorkspace.open()

if (typeof workspace === 'string') {
  t.pass('Terraform', { skip: workspace })
} else {
  t.teardown(() => workspace[Symbol.asyncDispose]())

  for (const { module, test, changes } of breaks) {
    t.test(`noticed: ${changes.map(({ what }) => what).join('; ')}`, async t => {
      const originals = new Map<string, string>()
      for (const { file, from, to } of changes) {
        const path = workspace.pathOf(`modules/${module}/${file}`)
        const text = await readFile(path, 'utf8')
        if (!originals.has(path)) originals.set(path, text)
        t.ok(text.includes(from), `${file} has what is to be broken`)
        await writeFile(path, text.replace(from, to))
      }

      await workspace.init(`modules/${module}`)
      const outcome = await workspace.test(`modules/${module}`, {
        file: `tests/${test}.tftest.hcl`,
      })
      for (const [path, text] of originals) await writeFile(path, text)

      t.not(outcome.code, 0)
      for (const { what, notice } of changes) t.match(outcome.faults.join('\n'), notice, what)
    })
  }
}
