// Remembers which messages this device has handled, also over restarts: a push system delivers at least once, and the id
// tells a repeat from a new message.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const KEEP = 1000; // ids grow, so the newest are the ones that can come again

export class Seen {
  constructor(file) {
    this.file = file;
    try {
      this.ids = new Set(JSON.parse(readFileSync(file, 'utf8')));
    } catch {
      this.ids = new Set(); // the first start
    }
  }

  // add returns false for a repeat. It has been written to disk when it returns, so that an ack may follow.
  add(id) {
    id = Number(id); // a number in push, a text in offlineMessage
    if (this.ids.has(id)) return false;
    this.ids.add(id);
    if (this.ids.size > KEEP) this.ids = new Set([...this.ids].sort((a, b) => a - b).slice(-KEEP));
    writeFileSync(this.file + '.new', JSON.stringify([...this.ids]));
    renameSync(this.file + '.new', this.file);
    return true;
  }
}
