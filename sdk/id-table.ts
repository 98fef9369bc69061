// A map from the host's numbers to objects: open addressing over two parallel arrays. The host counts up, so the number
// itself is a good hash and a lookup is one comparison. Removal shifts entries back, so the table never fills
// with leftovers and memory stays flat however many requests pass.

/** Objects by number. Number 0 is never a key: in the ABI it means "no context" and "no call". */
export class IdTable<T> {
  private ids: StaticArray<u32> = new StaticArray<u32>(16);
  private items: StaticArray<T | null> = new StaticArray<T | null>(16);
  private count: i32 = 0;

  /** The object of a number; null if there is none. */
  get(id: u32): T | null {
    const mask = this.ids.length - 1;
    let slot = id & mask;
    while (unchecked(this.ids[slot]) != 0) {
      if (unchecked(this.ids[slot]) == id) return unchecked(this.items[slot]);
      slot = (slot + 1) & mask;
    }
    return null;
  }

  /** Puts an object under a number that is not in the table. */
  set(id: u32, item: T): void {
    if (this.count * 2 >= this.ids.length) this.grow();
    this.place(id, item);
    this.count++;
  }

  /** Takes a number out of the table; does nothing if it is not there. */
  delete(id: u32): void {
    const mask = this.ids.length - 1;
    let slot = id & mask;
    while (unchecked(this.ids[slot]) != id) {
      if (unchecked(this.ids[slot]) == 0) return;
      slot = (slot + 1) & mask;
    }
    this.count--;
    // Entries behind the hole move into it unless they already stand at or after their own place.
    let hole = slot;
    for (let next = (hole + 1) & mask; unchecked(this.ids[next]) != 0; next = (next + 1) & mask) {
      const home = unchecked(this.ids[next]) & mask;
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        unchecked((this.ids[hole] = this.ids[next]));
        unchecked((this.items[hole] = this.items[next]));
        hole = next;
      }
    }
    unchecked((this.ids[hole] = 0));
    unchecked((this.items[hole] = null));
  }

  private place(id: u32, item: T | null): void {
    const mask = this.ids.length - 1;
    let slot = id & mask;
    while (unchecked(this.ids[slot]) != 0) slot = (slot + 1) & mask;
    unchecked((this.ids[slot] = id));
    unchecked((this.items[slot] = item));
  }

  private grow(): void {
    const ids = this.ids;
    const items = this.items;
    this.ids = new StaticArray<u32>(ids.length * 2);
    this.items = new StaticArray<T | null>(ids.length * 2);
    for (let i = 0; i < ids.length; i++) {
      if (unchecked(ids[i]) != 0) this.place(unchecked(ids[i]), unchecked(items[i]));
    }
  }
}
