// Objects by ids that count up, most of them short-lived: open addressing over two arrays. A Map would do, but V8's keeps the entries of
// each table that it outgrew or thinned out until the next full collection; with a context a request that were megabytes, and each
// minor collection took 20 ms instead of 0.5.

const FIRST_CAPACITY = 64;

export class IdTable<Value> {
  /** 0 is free: ids are from 1. */
  private keys = new Uint32Array(FIRST_CAPACITY);
  private values: (Value | undefined)[] = new Array<Value | undefined>(FIRST_CAPACITY).fill(undefined);
  private mask = FIRST_CAPACITY - 1;
  size = 0;

  get(id: number): Value | undefined {
    for (let at = id & this.mask; this.keys[at] !== 0; at = (at + 1) & this.mask) if (this.keys[at] === id) return this.values[at];
    return undefined;
  }

  set(id: number, value: Value): void {
    if (this.size * 2 >= this.keys.length) this.grow();
    let at = id & this.mask;
    while (this.keys[at] !== 0 && this.keys[at] !== id) at = (at + 1) & this.mask;
    if (this.keys[at] === 0) this.size++;
    this.keys[at] = id;
    this.values[at] = value;
  }

  delete(id: number): boolean {
    let at = id & this.mask;
    while (this.keys[at] !== id) {
      if (this.keys[at] === 0) return false;
      at = (at + 1) & this.mask;
    }
    this.size--;
    // What was pushed on by a collision moves back: no marks of deleted entries are left that would slow later searches.
    let free = at;
    for (let next = (at + 1) & this.mask; this.keys[next] !== 0; next = (next + 1) & this.mask) {
      const home = this.keys[next] & this.mask;
      const distance = (next - home) & this.mask;
      if (distance < ((next - free) & this.mask)) continue;
      this.keys[free] = this.keys[next];
      this.values[free] = this.values[next];
      free = next;
    }
    this.keys[free] = 0;
    this.values[free] = undefined;
    return true;
  }

  clear(): void {
    this.keys.fill(0);
    this.values.fill(undefined);
    this.size = 0;
  }

  /** A copy: the table may change while it is walked. */
  all(): Value[] {
    const found: Value[] = [];
    for (let at = 0; at < this.keys.length; at++) {
      const value = this.values[at];
      if (value !== undefined) found.push(value);
    }
    return found;
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Uint32Array(keys.length * 2);
    this.values = new Array<Value | undefined>(keys.length * 2).fill(undefined);
    this.mask = this.keys.length - 1;
    this.size = 0;
    for (let at = 0; at < keys.length; at++) {
      const value = values[at];
      if (value !== undefined) this.set(keys[at], value);
    }
  }
}
