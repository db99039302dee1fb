import t from 'tap'
import { assertCredits, entryCreditsMax, parseCredits } from '../src/credits.ts'

t.test('an amount is a whole number from one to the bound', async t => {
  for (const credits of [1, 20, entryCreditsMax]) assertCredits(credits)

  for (const credits of [0, -1, 0.5, NaN, Infinity, entryCreditsMax + 1, 2 ** 53]) {
    t.throws(() => assertCredits(credits), { name: 'AssertionError' }, String(credits))
  }
})

t.test('an amount in text is read only when it is exact', async t => {
  t.equal(parseCredits('250'), 250)
  t.equal(parseCredits('-30'), -30)

  for (const text of ['', '1.5', '1e3', ' 5', '5 ', '0x10', '9007199254740993', '٣']) {
    t.equal(parseCredits(text), undefined, JSON.stringify(text))
  }
})
