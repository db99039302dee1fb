import type { ObjectStore } from './object-store.ts'

/** A store in memory that keeps the promises of the real one; addresses begin with memory://. */
export declare function openMemoryObjectStore(): ObjectStore
