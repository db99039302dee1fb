import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs'

const fileBytesMax = 10 * 1024 ** 2

/** A log that never takes more than 20 MB: at 10 MB it is renamed to `….1` and begun anew. */
export class LogFile {
  readonly path: string
  #descriptor: number
  #sizeBytes: number

  constructor(path: string) {
    this.path = path
    this.#descriptor = openSync(path, 'a', 0o600)
    this.#sizeBytes = statSync(path).size
  }

  write(line: string): void {
    if (this.#sizeBytes >= fileBytesMax) this.#rotate()
    this.#sizeBytes += writeSync(this.#descriptor, `${line}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #rotate(): void {
    closeSync(this.#descriptor)
    renameSync(this.path, `${this.path}.1`)
    this.#descriptor = openSync(this.path, 'a', 0o600)
    this.#sizeBytes = 0
  }
}
