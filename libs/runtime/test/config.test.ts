import t from 'tap'
import Type from 'typebox'
import { ConfigError, describeConfig, loadConfig, setting } from '../src/config.ts'

const ThingConfig = Type.Object({
  http: Type.Object({
    port: setting(Type.Integer({ minimum: 1, maximum: 65_535, description: 'Where' }), {
      env: 'PORT',
    }),
    origins: setting(Type.Array(Type.String(), { default: [] }), { env: 'ORIGINS' }),
  }),
  isOpen: setting(Type.Boolean({ default: false }), { env: 'OPEN' }),
  token: Type.Optional(setting(Type.String({ minLength: 8 }), { env: 'TOKEN', secret: true })),
})

t.test('values are read by their type, and defaults fill the rest', async t => {
  const config = loadConfig(ThingConfig, { PORT: '80', ORIGINS: 'https://a, https://b' })

  t.same(config, { http: { port: 80, origins: ['https://a', 'https://b'] }, isOpen: false })
})

t.test(
  'every fault is reported at once, each with its variable, and no secret is shown',
  async t => {
    const load = () => loadConfig(ThingConfig, { PORT: 'abc', OPEN: 'yes', TOKEN: 'hush' })

    t.throws(load, ConfigError)
    try {
      load()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      t.equal(error.faults.length, 3)
      t.match(error.message, /PORT is "abc"/)
      t.match(error.message, /OPEN is "yes"/)
      t.match(error.message, /TOKEN is \[set\]/)
      t.notMatch(error.message, /hush/)
    }
  },
)

t.test(
  'a missing variable is a fault that says what it is for; empty counts as missing',
  async t => {
    t.throws(() => loadConfig(ThingConfig, { PORT: '' }), { message: /PORT is not set: Where/ })
  },
)

t.test('a number outside its range is a fault, not a clamped value', async t => {
  t.throws(() => loadConfig(ThingConfig, { PORT: '70000' }), ConfigError)
  t.throws(() => loadConfig(ThingConfig, { PORT: '8e1' }), ConfigError)
  t.throws(() => loadConfig(ThingConfig, { PORT: ' 80' }), ConfigError)
})

t.test('a schema describes its settings for the documents', async t => {
  const settings = describeConfig(ThingConfig)

  t.match(settings, [
    { variable: 'PORT', type: 'integer', isRequired: true, isSecret: false, description: 'Where' },
    { variable: 'ORIGINS', type: 'comma-separated list', default: '' },
    { variable: 'OPEN', type: 'boolean', default: 'false' },
    { variable: 'TOKEN', isRequired: false, isSecret: true },
  ])
})
