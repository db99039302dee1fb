import {
  CloudFrontClient,
  CreateInvalidationCommand,
  GetInvalidationCommand,
} from '@aws-sdk/client-cloudfront'
import t, { type Test } from 'tap'
import { startOrigin, startTestCloudFront } from './origin.ts'
import { until } from './target.ts'

const DistributionId = 'E1TEST'

async function setup(t: Test, invalidationDelayMs = 0) {
  const origin = await startOrigin(t)
  for (const name of ['a', 'b', 'deep/c']) origin.objects.set(`public/${name}`, { body: 'x' })
  const cloudFront = await startTestCloudFront(t, origin, { invalidationDelayMs })
  const credentials = { accessKeyId: 'AK', secretAccessKey: 'SK' }
  const endpoint = cloudFront.url
  const client = new CloudFrontClient({ endpoint, region: 'us-east-1', credentials })
  t.teardown(() => client.destroy())
  const invalidate = async (reference: string, ...paths: string[]) => {
    const Paths = { Quantity: paths.length, Items: paths }
    const InvalidationBatch = { CallerReference: reference, Paths }
    const command = new CreateInvalidationCommand({ DistributionId, InvalidationBatch })
    return (await client.send(command)).Invalidation
  }
  const statusOf = async (Id: string | undefined) => {
    const command = new GetInvalidationCommand({ DistributionId, Id })
    return (await client.send(command)).Invalidation?.Status
  }
  const cacheOf = async (name: string) => {
    const reply = await fetch(`${endpoint}/public/${name}`)
    await reply.arrayBuffer()
    return `${reply.status} ${reply.headers.get('x-cache')}`
  }
  return { origin, client, invalidate, statusOf, cacheOf }
}

t.test('the official client makes the edge forget an object, and only that one', async t => {
  const { invalidate, statusOf, cacheOf } = await setup(t)
  await cacheOf('a')
  await cacheOf('b')

  const invalidation = await invalidate('one', '/public/a')
  await until(async () => (await statusOf(invalidation?.Id)) === 'Completed')

  t.match(invalidation, { Id: /^I[0-9A-F]+$/, InvalidationBatch: { CallerReference: 'one' } })
  t.equal(await cacheOf('a'), '200 Miss from cloudfront')
  t.equal(await cacheOf('b'), '200 Hit from cloudfront')
})

t.test('an asterisk at the end takes all that begins like it', async t => {
  const { invalidate, statusOf, cacheOf } = await setup(t)
  await cacheOf('a')
  await cacheOf('deep/c')

  const invalidation = await invalidate('one', '/public/deep/*')
  await until(async () => (await statusOf(invalidation?.Id)) === 'Completed')

  t.equal(await cacheOf('deep/c'), '200 Miss from cloudfront')
  t.equal(await cacheOf('a'), '200 Hit from cloudfront')
})

t.test('until the delay is over the edge still serves what it has', async t => {
  const { invalidate, statusOf, cacheOf } = await setup(t, 60_000)
  await cacheOf('a')

  const invalidation = await invalidate('one', '/public/*')

  t.equal(invalidation?.Status, 'InProgress')
  t.equal(await statusOf(invalidation?.Id), 'InProgress')
  t.equal(await cacheOf('a'), '200 Hit from cloudfront')
})

t.test('an object read while it was being invalidated is not kept', async t => {
  const { origin, invalidate, statusOf, cacheOf } = await setup(t)
  const gate = Promise.withResolvers<undefined>()
  origin.fault = () => gate.promise
  const viewer = cacheOf('a')
  await until(() => origin.asked.length === 1)

  const invalidation = await invalidate('one', '/public/a')
  await until(async () => (await statusOf(invalidation?.Id)) === 'Completed')
  gate.resolve(undefined)

  t.equal(await viewer, '200 Miss from cloudfront')
  t.equal(await cacheOf('a'), '200 Miss from cloudfront')
})

t.test('a repeated reference is the same invalidation; with other paths it is refused', async t => {
  const { invalidate } = await setup(t)

  const first = await invalidate('one', '/public/a', '/public/b&c')
  const second = await invalidate('one', '/public/a', '/public/b&c')

  t.equal(second?.Id, first?.Id)
  t.same(second?.InvalidationBatch?.Paths?.Items, ['/public/a', '/public/b&c'])
  await t.rejects(invalidate('one', '/public/other'), { name: 'InvalidArgument' })
})

t.test('no more is in progress at one time than CloudFront takes', async t => {
  const { invalidate } = await setup(t, 60_000)
  const files = Array.from({ length: 2_999 }, (_, index) => `/public/${index}`)
  await invalidate('files', ...files)
  for (let index = 0; index < 15; index++) await invalidate(`wild ${index}`, `/public/${index}/*`)

  await t.resolves(invalidate('one more file', '/public/last'))
  const refusal = { name: 'TooManyInvalidationsInProgress' }
  await t.rejects(invalidate('too many files', '/public/over'), refusal)
  await t.rejects(invalidate('too many wildcards', '/public/*'), refusal)
  await t.resolves(invalidate('files', ...files), 'a repeat is the same one')
})

t.test('bad paths, other distributions and unsigned calls are refused', async t => {
  const { invalidate, client } = await setup(t)
  const InvalidationBatch = { CallerReference: 'x', Paths: { Quantity: 1, Items: ['/a'] } }
  const command = new CreateInvalidationCommand({ DistributionId: 'EOTHER', InvalidationBatch })

  await t.rejects(invalidate('two', 'public/a'), { name: 'InvalidArgument' })
  await t.rejects(invalidate('three', '/a*b'), { name: 'InvalidArgument' })
  await t.rejects(client.send(command), { name: 'NoSuchDistribution' })
  const { url } = await startTestCloudFront(t, await startOrigin(t))
  const unsigned = await fetch(`${url}/2020-05-31/distribution/E1TEST/invalidation`, {
    method: 'POST',
  })
  t.equal(unsigned.status, 403)
})
