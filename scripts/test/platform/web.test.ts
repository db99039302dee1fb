import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { makePicture } from './client.ts'
import { startPlatform, type Platform } from './platform.ts'
import { WebPage } from './web-page.ts'

// Many processes on few cores.
t.setTimeout(300_000)

let opened: Promise<Platform> | undefined

/** One system for the tests of this file; each test brings a browser and a user of its own. */
function openPlatform(): Promise<Platform> {
  opened ??= startPlatform(t, {
    PROVIDER_LATENCY_MS: '300',
    TASK_RETRY_DELAY_MS: '50',
    // Enough for a background, and too little for a point cloud.
    SIGNUP_BONUS_CREDITS: '14',
  })
  return opened
}

async function setup(t: Test) {
  const platform = await openPlatform()
  return { ...platform, edge: platform.addresses.web, page: new WebPage(t) }
}

const password = 'correct horse battery'

/** Makes an account on the page that is asked for, and comes back to it. */
async function register(page: WebPage): Promise<string> {
  const email = `web-${randomBytes(8).toString('hex')}@example.test`
  await page.click('button', 'Create an account')
  await page.type('input[name=name]', 'Ada')
  await page.type('input[name=email]', email)
  await page.type('input[name=password]', password)
  await page.submit('form')
  return email
}

async function runTool(page: WebPage): Promise<void> {
  await page.chooseFile('input[type=file]', await makePicture())
  await page.find('.chosen img')
  await page.find('.price', 'of your')
  await page.submit('form.order')
}

async function signUp(page: WebPage, edge: string): Promise<string> {
  await page.open(`${edge}/sign-in`)
  return register(page)
}

t.test('a guest signs up on the way, runs a tool, and follows it to its result', async t => {
  const { edge, page, database } = await setup(t)
  await page.open(edge)
  await page.click('.card a', 'Remove background')
  await page.click('form a', 'Sign in to run it')

  const email = await register(page)
  await runTool(page)
  await page.find('section.task[data-status=completed] .results img')

  t.match(page.url.pathname, /^\/tasks\/[0-9a-f-]{36}$/)
  const user = await database.prisma.user.findUniqueOrThrow({ where: { email } })
  const [task, ...others] = await database.prisma.task.findMany({ where: { userId: user.id } })
  t.match(task, { status: 'completed', toolSlug: 'background-remove' })
  t.same(others, [])
})

t.test('what costs more than there is says so, and leads to a way to buy', async t => {
  const { edge, page } = await setup(t)
  await signUp(page, edge)
  await page.click('.card a', 'Crystal memory')

  await runTool(page)
  await page.find('[role=alert]', 'There are not enough credits')
  await page.click('[role=alert] a', 'Buy credits')

  await page.find('.lead', '14 credits')
  await page.find('.card button', 'Buy for')
  t.equal(page.url.pathname, '/credits')
})

t.test(
  'a session that ends under a page leads to sign-in and back, with what was begun',
  async t => {
    const { edge, page } = await setup(t)
    const email = await signUp(page, edge)
    await page.click('.card a', 'FigMe')
    await page.type('textarea', 'a very small cat')
    await page.find('.price', 'of your')

    page.forgetCookies()
    await page.submit('form.order')
    await page.type('input[name=email]', email)
    t.equal(page.url.searchParams.get('next'), '/tools/figme')
    await page.type('input[name=password]', password)
    await page.submit('form')

    await page.find('.price', 'of your')
    t.equal(page.url.pathname, '/tools/figme')
    t.equal(await page.valueOf('textarea'), 'a very small cat')
  },
)

t.test('a shared picture opens for a guest who knows the password, and for no other', async t => {
  const { edge, page } = await setup(t)
  await signUp(page, edge)
  await page.click('.card a', 'Remove background')
  await page.chooseFile('input[type=file]', await makePicture())
  await page.find('.chosen img')
  await page.click('nav a', 'Gallery')
  await page.click('.thumbnails a')
  await page.type('input[name=link-password]', 'sesame')
  await page.submit('details.share form')
  const link = await page.valueOf('input[name=link]')
  const guest = new WebPage(t)

  await guest.open(link)
  await guest.type('input[name=password]', 'open')
  await guest.submit('form')
  await guest.find('[role=alert]', 'another one')
  t.notOk(guest.text.includes('Download'))
  await guest.type('input[name=password]', 'sesame')
  await guest.submit('form')

  await guest.find('.results img')
  t.match(link, `${edge}/share#`)
})

t.test('a page for members asks for a sign-in, and an address that is none says so', async t => {
  const { edge, page } = await setup(t)

  await page.open(`${edge}/gallery?q=cats`)
  await page.find('h1', 'Sign in')
  t.equal(page.url.searchParams.get('next'), '/gallery?q=cats')
  await page.open(`${edge}/nowhere/at/all`)
  await page.find('h1', 'There is nothing here')
})
