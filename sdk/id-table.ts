// A map from the host's numbers to objects: a table of chains, linked through the objects themselves. The host counts up, so
// the last bits of a number are a perfect hash: with a thousand live requests a lookup is one comparison, and adding one
// allocates nothing. Memory stays flat however many requests pass.

/** What can stand in an IdTable, in one at a time. */
export abstract class Entry {
  /** Number in the table; 0 outside of one. */
  tableId: u32 = 0;
  /** Next object of the chain. */
  tableNext: Entry | null = null;
}

const CHAINS: u32 = 1024;

/** Objects by number. Number 0 is never a key: in the ABI it means "no context" and "no call". */
export class IdTable<T extends Entry> {
  private chains: StaticArray<Entry | null> = newChains();

  /** The object of a number; null if there is none. */
  get(id: u32): T | null {
    let entry = unchecked(this.chains[id % CHAINS]);
    while (entry != null && entry.tableId != id) entry = entry.tableNext;
    return changetype<T | null>(entry);
  }

  /** Puts an object under a number that is not in the table. */
  set(id: u32, item: T): void {
    const entry: Entry = item;
    entry.tableId = id;
    entry.tableNext = unchecked(this.chains[id % CHAINS]);
    unchecked((this.chains[id % CHAINS] = entry));
  }

  /** Takes a number out of the table; does nothing if it is not there. */
  delete(id: u32): void {
    let before: Entry | null = null;
    let entry = unchecked(this.chains[id % CHAINS]);
    while (entry != null && entry.tableId != id) {
      before = entry;
      entry = entry.tableNext;
    }
    if (entry == null) return;
    if (before == null) unchecked((this.chains[id % CHAINS] = entry.tableNext));
    else before.tableNext = entry.tableNext;
  }
}

/** `new StaticArray` would carry the text of an error that a constant length cannot have. */
function newChains(): StaticArray<Entry | null> {
  const size = CHAINS * sizeof<usize>();
  const chains = __new(size, idof<StaticArray<Entry | null>>());
  memory.fill(chains, 0, size);
  return changetype<StaticArray<Entry | null>>(chains);
}
