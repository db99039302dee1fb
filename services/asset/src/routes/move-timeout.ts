/** How long a request waits for bytes that it has set in motion; later the sweeper moves them. */
export const moveTimeoutMs = 5_000
