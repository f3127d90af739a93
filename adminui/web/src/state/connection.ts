// Whether the server answers. When it does not, this asks /health until it does, and then raises epoch: whatever is on the
// screen reads itself again.
import { reactive } from 'vue'

export const connection = reactive({ ok: true, epoch: 0 })

let probing = false
let ask: () => Promise<boolean> = async () => true

/** How to ask whether the server is there. */
export function probeWith(probe: () => Promise<boolean>) {
  ask = probe
}

export function report(ok: boolean) {
  if (ok || probing) return
  connection.ok = false
  void probe()
}

async function probe() {
  probing = true
  for (let attempt = 1; ; attempt++) {
    await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** (attempt - 1), 5000)))
    if (await ask().catch(() => false)) break
  }
  probing = false
  connection.ok = true
  connection.epoch++
}
