// One place for all calls: errors, the CSRF token, the end of a session, and whether the server can be reached.

/** An answer that is no success; code and msg are those of the API's error table. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    readonly msg: string,
    readonly retryAfter = 0,
  ) {
    super(msg)
    this.name = 'ApiError'
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor() {
    super('unreachable')
    this.name = 'Unreachable'
  }
}

export const CODE_NO_CREDENTIAL = 1001
export const CODE_SESSION = 1006
export const CODE_CSRF = 1007

export interface Hooks {
  csrf(): string
  /** Whether the session is of an installation and names the namespace it acts for. */
  deputy(): boolean
  /** Asks the person to sign in again; true once there is a session for the same name. */
  expired(): Promise<boolean>
  /** Reads the session again, for a new CSRF token. */
  renew(): Promise<void>
  reachable(ok: boolean): void
}

export type Query = Record<string, string | number | boolean | string[] | undefined | null>

export interface Options {
  query?: Query
  body?: unknown
  /** Namespace an administrator or viewer acts for: "/demo". */
  namespace?: string
  signal?: AbortSignal
  /** false: a 401 is the caller's business (login, first look for a session). */
  session?: boolean
  timeout?: number
}

export function queryString(query: Query = {}): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '') continue
    for (const one of Array.isArray(value) ? value : [value]) params.append(key, String(one))
  }
  const text = params.toString()
  return text ? '?' + text : ''
}

/** The session has ended on the server, or the browser has dropped its cookie. */
function sessionGone(err: ApiError): boolean {
  return (err.status === 401 && (err.code === CODE_SESSION || err.code === 0)) || err.code === CODE_NO_CREDENTIAL
}

/** {code, msg} out of an answer's text, whatever its content type. */
export function failure(status: number, text: string, retryAfter: string | null): ApiError {
  let code = 0
  let msg = text.trim().slice(0, 500)
  try {
    const body = JSON.parse(text)
    if (typeof body?.msg === 'string') ({ code, msg } = { code: Number(body.code) || 0, msg: body.msg })
  } catch {
    // older answers and proxies send plain text or a page
    if (/^\s*</.test(msg)) msg = ''
  }
  return new ApiError(status, code, msg, Number(retryAfter) || 0)
}

export class Client {
  private relogin?: Promise<boolean>

  constructor(
    public base: string,
    private readonly hooks: Hooks,
    private readonly send: typeof fetch = (...args) => fetch(...args),
  ) {}

  get<T>(path: string, options: Options = {}): Promise<T> {
    return this.request<T>('GET', path, options)
  }

  post<T>(path: string, body: unknown = {}, options: Options = {}): Promise<T> {
    return this.request<T>('POST', path, { ...options, body })
  }

  async request<T>(method: string, path: string, options: Options = {}): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once<T>(method, path, options)
      } catch (err) {
        if (!(err instanceof ApiError) || options.session === false || attempt >= 2) throw err
        // Neither of the two was carried out by the server, so repeating them is safe for every method.
        if (sessionGone(err)) {
          if (!(await this.signInAgain())) throw err
        } else if (err.status === 403 && err.code === CODE_CSRF && attempt === 0) {
          await this.hooks.renew()
        } else {
          throw err
        }
      }
    }
  }

  /** Any number of calls that find the session gone wait for one dialog. */
  private signInAgain(): Promise<boolean> {
    this.relogin ??= this.hooks.expired().finally(() => (this.relogin = undefined))
    return this.relogin
  }

  private async once<T>(method: string, path: string, options: Options): Promise<T> {
    const headers: Record<string, string> = { Accept: 'application/json' }
    if (options.body !== undefined) headers['Content-Type'] = 'application/json'
    if (method !== 'GET' && this.hooks.csrf()) headers['X-CSRF-Token'] = this.hooks.csrf()
    if (options.namespace && this.hooks.deputy()) headers['X-Namespace'] = encodeURIComponent(options.namespace)

    const timeout = AbortSignal.timeout(options.timeout ?? 30_000)
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
    let answer: Response
    let text: string
    try {
      answer = await this.send(this.base + path + queryString(options.query), {
        method,
        headers,
        body: options.body === undefined ? undefined : JSON.stringify(options.body),
        credentials: 'same-origin',
        cache: 'no-store',
        signal,
      })
      text = await answer.text()
    } catch (err) {
      if (options.signal?.aborted) throw err
      this.hooks.reachable(false)
      throw new Unreachable()
    }
    if (answer.status === 502 || answer.status === 504) {
      this.hooks.reachable(false) // a proxy says that there is nobody behind it
      throw new Unreachable()
    }
    this.hooks.reachable(true)
    if (!answer.ok) throw failure(answer.status, text, answer.headers.get('Retry-After'))
    if (!text) return {} as T
    try {
      return JSON.parse(text) as T
    } catch {
      throw new ApiError(answer.status, 0, 'unexpected answer')
    }
  }
}
