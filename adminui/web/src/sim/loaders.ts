// The two generations of the client, fetched when first needed, and where the Socket.IO server is.
import { socketCandidates } from '../api/base'

export interface AnySocket {
  on(name: string, run: (...args: never[]) => void): void
  onAny?(run: (name: string, ...args: unknown[]) => void): void
  emit(name: string, ...args: unknown[]): void
  connect(): void
  disconnect(): void
  recovered?: boolean
  active?: boolean
  io: { engine?: { close(): void }; reconnection(on: boolean): void }
}

export type Io = (url: string, options: object) => unknown

export async function v4Client(): Promise<Io> {
  return (await import('socket.io-client')).io as unknown as Io
}

let second: Promise<Io> | undefined

/** The script the server hands to pages of generation 2. */
export function v2Client(): Promise<Io> {
  second ??= socketPath()
    .then(
      (base) =>
        new Promise<Io>((resolve, reject) => {
          const script = document.createElement('script')
          script.src = base + 'socket.io/socket.io.js'
          script.onload = () => {
            const io = (window as unknown as { io?: Io }).io
            if (io) resolve(io)
            else reject(new Error('socket.io.js'))
          }
          script.onerror = () => reject(new Error(script.src))
          document.head.append(script)
        }),
    )
    .catch((err) => {
      second = undefined
      throw err
    })
  return second
}

let found: string | undefined

/** Path below which socket.io/ answers, on this page's origin. */
export async function socketPath(): Promise<string> {
  if (found) return found
  const list = socketCandidates(location.pathname, location.search)
  for (const base of list) {
    try {
      const answer = await fetch(base + 'socket.io/socket.io.js', { method: 'HEAD', signal: AbortSignal.timeout(5000) })
      if (answer.ok && /javascript/.test(answer.headers.get('Content-Type') ?? '')) return (found = base)
    } catch {
      // not here
    }
  }
  return list[0]
}
