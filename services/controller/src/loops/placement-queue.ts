/**
 * Guests that ask for a place, the greatest priority first, then as they came. Each is in it once.
 */
export class PlacementQueue {
  /** By priority. */
  readonly #waiting = new Map<number, Set<string>>();

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** The priority of a guest never changes. */
  add(guestUid: string, priority: number): void {
    const known = this.#waiting.get(priority);
    if (known === undefined) this.#waiting.set(priority, new Set([guestUid]));
    else known.add(guestUid);
  }

  /** Takes out those whose turn it is, at most so many. */
  take(countMax: number): readonly string[] {
    const taken: string[] = [];
    const priorities = [...this.#waiting.keys()].sort((a, b) => b - a);
    for (const priority of priorities) {
      const waiting = this.#waiting.get(priority) ?? new Set();
      for (const uid of waiting) {
        if (taken.length === countMax) return taken;
        waiting.delete(uid);
        taken.push(uid);
      }
      this.#waiting.delete(priority);
    }
    return taken;
  }
}
