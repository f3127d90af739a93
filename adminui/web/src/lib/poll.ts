// Repeated reading that stops while nobody looks, and picks up when the server is back.
import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { connection } from '../state/connection'

export interface Poll<T> {
  data: ShallowRef<T | undefined>
  error: ShallowRef<unknown>
  loading: Ref<boolean>
  /** Reads now; drops an answer that is under way. */
  refresh(): Promise<void>
  stop(): void
}

/** every: ms between the end of one read and the start of the next; 0 reads once. As a function it is asked after each read. */
export function usePoll<T>(read: (signal: AbortSignal) => Promise<T>, every: number | (() => number)): Poll<T> {
  const data = shallowRef<T>()
  const error = shallowRef<unknown>()
  const loading = ref(true)
  let timer: ReturnType<typeof setTimeout> | undefined
  let current: AbortController | undefined
  let stopped = false

  async function refresh() {
    clearTimeout(timer)
    current?.abort()
    const mine = (current = new AbortController())
    loading.value = true
    try {
      const got = await read(mine.signal)
      if (mine.signal.aborted) return
      data.value = got
      error.value = undefined
    } catch (err) {
      if (mine.signal.aborted) return
      error.value = err
    }
    loading.value = false
    current = undefined
    plan()
  }

  function plan() {
    clearTimeout(timer)
    const wait = typeof every === 'function' ? every() : every
    if (stopped || !wait || document.hidden || !connection.ok) return
    timer = setTimeout(refresh, wait)
  }

  const visible = () => {
    if (!document.hidden && !stopped && !current) void refresh()
  }
  document.addEventListener('visibilitychange', visible)
  const unwatch = watch(
    () => connection.epoch,
    () => void refresh(),
  )
  function stop() {
    stopped = true
    clearTimeout(timer)
    current?.abort()
    unwatch()
    document.removeEventListener('visibilitychange', visible)
  }
  onScopeDispose(stop)
  void refresh()
  return { data, error, loading, refresh, stop }
}
