import { ApiError, GoogleGenAI } from '@google/genai'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { startProviders } from '../src/providers/providers.ts'
import { pixelAt, samplePhoto } from './samples.ts'

const model = 'gemini-2.5-flash-image'

async function setup(t: Test, apiKey = 'AIza-simulated') {
  const providers = await startProviders({ latencyMs: 10, drainMs: 0 })
  t.teardown(() => providers[Symbol.asyncDispose]())
  const httpOptions = { baseUrl: providers.googleUrl, apiVersion: 'v1beta' }
  const client = new GoogleGenAI({ apiKey, vertexai: false, httpOptions })
  return { providers, models: client.models }
}

type Reply = Awaited<ReturnType<GoogleGenAI['models']['generateContent']>>

function pictureIn(reply: Reply): Buffer {
  const data = reply.candidates?.[0]?.content?.parts?.[0]?.inlineData?.data
  if (data === undefined) throw new Error('there is no picture in the reply')
  return Buffer.from(data, 'base64')
}

t.test('the official client draws a picture in the ratio that it asks for', async t => {
  const { models } = await setup(t)

  const reply = await models.generateContent({
    model,
    contents: 'a lighthouse',
    config: { responseModalities: ['IMAGE'], imageConfig: { aspectRatio: '16:9' } },
  })

  const size = await sharp(pictureIn(reply)).metadata()
  t.match(size, { format: 'png', width: 1344, height: 768 })
  t.match(reply, { modelVersion: model, usageMetadata: { candidatesTokenCount: 1290 } })
})

t.test('a picture with a prompt becomes another that still shows it', async t => {
  const { models } = await setup(t)
  const data = (await samplePhoto()).toString('base64')
  const parts = [{ inlineData: { mimeType: 'image/jpeg', data } }, { text: 'as a painting' }]

  const reply = await models.generateContent({ model, contents: [{ role: 'user', parts }] })
  const [middle, corner] = [
    await pixelAt(pictureIn(reply), 512, 512),
    await pixelAt(pictureIn(reply), 10, 10),
  ]

  t.notSame(middle, corner)
})

t.test('what Google refuses is refused in its words', async t => {
  const { models } = await setup(t)
  const contents = 'a lighthouse'
  const refusals = [
    [{ model: 'nobody', contents }, 404],
    [{ model, contents: '' }, 400],
    [{ model, contents, config: { imageConfig: { aspectRatio: '7:7' } } }, 400],
  ] as const

  for (const [order, status] of refusals) {
    const error: unknown = await models.generateContent(order).catch((fault: unknown) => fault)
    t.ok(error instanceof Error, `${status}`)
    if (error instanceof ApiError) t.equal(error.status, status)
  }
})

t.test('a wrong key is a wrong argument with a reason', async t => {
  const { models } = await setup(t, 'invalid-key')

  const error: unknown = await models
    .generateContent({ model, contents: 'x' })
    .catch((fault: unknown) => fault)

  t.match(error, { status: 400, message: /API_KEY_INVALID/ })
})

t.test('scripts block prompts and stop models, in the ways that Gemini has', async t => {
  const { providers, models } = await setup(t)
  const draw = () => models.generateContent({ model, contents: 'a lighthouse' })
  providers.script({ provider: 'google', mode: 'moderated' })
  providers.script({ provider: 'google', mode: 'fail' })

  t.match(await draw(), { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } })
  t.match(await draw(), { candidates: [{ finishReason: 'IMAGE_OTHER' }] })
  t.match(providers.calls().providers.google, { submits: 2, attempts: 2, open: 0 })
})
