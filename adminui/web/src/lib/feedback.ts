// What the person is told after an action.
import { ElMessage } from 'element-plus'
import { ApiError, Unreachable } from '../api/client'
import { t, te } from '../i18n'

/** An error in words. Texts of the API are shown as they are, after a translation where there is one. */
export function explain(err: unknown): string {
  if (err instanceof Unreachable) return t('error.unreachable')
  if (err instanceof ApiError) {
    const known = te('error.code.' + err.code) ? t('error.code.' + err.code) : ''
    const text = known || err.msg || t('error.status', { status: err.status })
    return err.retryAfter ? `${text} (${t('error.retry', { seconds: err.retryAfter })})` : text
  }
  return t('error.page')
}

export function told(text: string) {
  ElMessage({ type: 'success', message: text, grouping: true })
}

export function failed(err: unknown) {
  if (err instanceof DOMException && err.name === 'AbortError') return
  ElMessage({ type: 'error', message: explain(err), duration: 6000, showClose: true, grouping: true })
}

/** Runs an action and tells of its failure; the result says whether it went well. */
export async function attempt(action: () => Promise<unknown>, success = ''): Promise<boolean> {
  try {
    await action()
  } catch (err) {
    failed(err)
    return false
  }
  if (success) told(success)
  return true
}

export async function copy(text: string) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // no clipboard without TLS: the old way
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'sr'
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
  told(t('common.copied'))
}
