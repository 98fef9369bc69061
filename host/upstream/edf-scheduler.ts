// Earliest deadline first: every item's next turn is 1/weight after its last one, so turns come in proportion to weights and spread
// evenly (Envoy's EdfScheduler). A binary heap in two arrays.

export class EdfScheduler<Item> {
  private readonly items: Item[] = [];
  private readonly deadlines: number[] = [];
  private readonly weight: (item: Item) => number;

  /** `weight` is asked again at every turn, so it may change (least request does). */
  constructor(items: readonly Item[], weight: (item: Item) => number) {
    this.weight = weight;
    for (const item of items) this.push(item, 1 / weight(item));
  }

  pick(): Item {
    const item = this.items[0];
    this.deadlines[0] += 1 / this.weight(item);
    this.sink();
    return item;
  }

  private push(item: Item, deadline: number): void {
    let at = this.items.length;
    this.items.push(item);
    this.deadlines.push(deadline);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.deadlines[parent] <= this.deadlines[at]) return;
      this.swap(parent, at);
      at = parent;
    }
  }

  private sink(): void {
    const size = this.items.length;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= size) return;
      const right = left + 1;
      const child = right < size && this.deadlines[right] < this.deadlines[left] ? right : left;
      if (this.deadlines[at] < this.deadlines[child]) return;
      this.swap(at, child);
      at = child;
    }
  }

  private swap(a: number, b: number): void {
    const item = this.items[a];
    this.items[a] = this.items[b];
    this.items[b] = item;
    const deadline = this.deadlines[a];
    this.deadlines[a] = this.deadlines[b];
    this.deadlines[b] = deadline;
  }
}
