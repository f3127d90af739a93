// Search fields that read again a moment after the last keystroke.
import { onScopeDispose, watch, type WatchSource } from 'vue'

export function whenTyped(sources: WatchSource[], run: () => void, wait = 250) {
  let timer: ReturnType<typeof setTimeout>
  watch(sources, () => {
    clearTimeout(timer)
    timer = setTimeout(run, wait)
  })
  onScopeDispose(() => clearTimeout(timer))
}
