import { setTimeout as wait } from 'node:timers/promises'
import { Browser, type BrowserPage, type HTMLElement } from 'happy-dom'

interface Teardown {
  teardown(work: () => unknown): void
}

const deadlineMs = 60_000

/**
 * The web client as the edge delivers it, in a browser without a screen: its scripts run, its
 * requests and cookies are real ones. Styles are not loaded, and nothing is drawn.
 */
export class WebPage {
  readonly #page: BrowserPage
  #chosenBytes = 0

  constructor(t: Teardown) {
    const browser = new Browser({
      settings: {
        // What runs is our own build, from our own edge.
        enableJavaScriptEvaluation: true,
        suppressInsecureJavaScriptEnvironmentWarning: true,
        handleDisabledFileLoadingAsSuccess: true,
        fetch: {
          interceptor: {
            // A browser tells the length of a file that it sends; this one does not by itself.
            beforeAsyncRequest: async ({ request }) => {
              if (request.method === 'PUT') {
                request.headers.set('content-length', String(this.#chosenBytes))
              }
            },
          },
        },
      },
    })
    this.#page = browser.newPage()
    t.teardown(() => browser.close())
  }

  get url(): URL {
    return new URL(this.#page.url)
  }

  async valueOf(selector: string): Promise<string> {
    return String(Reflect.get(await this.find(selector), 'value'))
  }

  get text(): string {
    return this.#page.mainFrame.document.body.textContent
  }

  async open(address: string): Promise<void> {
    await this.#page.goto(address)
  }

  /** Waits for an element of this kind with this text. */
  async find(selector: string, text = ''): Promise<HTMLElement> {
    const { document } = this.#page.mainFrame
    const deadline = performance.now() + deadlineMs
    while (performance.now() < deadline) {
      const found = [...document.querySelectorAll(selector)].find(element =>
        element.textContent.includes(text),
      )
      // What a CSS selector finds in an HTML document.
      if (found !== undefined) return found as HTMLElement
      await wait(50)
    }
    throw new Error(`never: ${selector} “${text}” at ${this.#page.url}: ${this.text}`)
  }

  /** What only a person would do to their browser: its cookies are gone. */
  forgetCookies(): void {
    this.#page.context.cookieContainer.clearCookies()
  }

  async click(selector: string, text = ''): Promise<void> {
    const element = await this.find(selector, text)
    element.click()
  }

  async type(selector: string, value: string): Promise<void> {
    const field = await this.find(selector)
    Reflect.set(field, 'value', value)
    field.dispatchEvent(new this.#window.Event('input'))
    field.dispatchEvent(new this.#window.Event('change'))
  }

  /** As pressing Enter in one of its fields does. */
  async submit(selector: string): Promise<void> {
    const form = await this.find(selector)
    form.dispatchEvent(new this.#window.Event('submit', { cancelable: true }))
  }

  async chooseFile(selector: string, bytes: Buffer): Promise<void> {
    const input = await this.find(selector)
    this.#chosenBytes = bytes.length
    const file = new this.#window.File([bytes], 'cat.png', { type: 'image/png' })
    Reflect.set(input, 'files', [file])
    input.dispatchEvent(new this.#window.Event('change'))
  }

  get #window() {
    return this.#page.mainFrame.window
  }
}
