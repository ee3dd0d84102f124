import { describe, expect, it } from "vitest";
import { GroupCommit } from "./group-commit.js";

describe("GroupCommit", () => {
  it("writes what is asked for in one turn as one group, in the order of asking (G1)", async () => {
    const disk = new Disk();
    const answers = await Promise.all([disk.submit(1, 2), disk.submit(3), disk.submit()]);
    expect(disk.groups).toEqual([[1, 2, 3]]);
    expect(answers).toEqual([[10, 20], [30], []]);
  });

  it("begins a new group with the next turn", async () => {
    const disk = new Disk();
    await disk.submit(1);
    await disk.submit(2);
    expect(disk.groups).toEqual([[1], [2]]);
  });

  it("closes a group that is full, never splitting what belongs together", async () => {
    const disk = new Disk({ itemsMax: 3 });
    const asked = [disk.submit(1, 2), disk.submit(3, 4), disk.submit(5), disk.submit(6, 7, 8, 9)];
    expect(await Promise.all(asked)).toEqual([[10, 20], [30, 40], [50], [60, 70, 80, 90]]);
    expect(disk.groups).toEqual([
      [1, 2],
      [3, 4, 5],
      [6, 7, 8, 9],
    ]);
  });

  it("tells everyone in a failed group, and nobody else (G2)", async () => {
    const disk = new Disk({ itemsMax: 2, failsOn: 3 });
    const asked = [disk.submit(1, 2), disk.submit(3), disk.submit(4), disk.submit(5)];
    const results = await Promise.allSettled(asked);
    expect(results.map((each) => each.status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
  });

  it("writes what is queued when it is closed, then refuses", async () => {
    const disk = new Disk();
    const asked = disk.submit(1);
    disk.commit.close();
    expect(await asked).toEqual([10]);
    await expect(disk.submit(2)).rejects.toMatchObject({ kind: "unavailable" });
    expect(disk.groups).toEqual([[1]]);
  });
});

class Disk {
  readonly groups: (readonly number[])[] = [];
  readonly commit: GroupCommit<number, number>;

  constructor(options: { readonly itemsMax?: number; readonly failsOn?: number } = {}) {
    this.commit = new GroupCommit({
      what: "store",
      itemsMax: options.itemsMax ?? 100,
      write: (items) => {
        if (options.failsOn !== undefined && items.includes(options.failsOn)) {
          throw new Error("the disk failed");
        }
        this.groups.push(items);
        return items.map((item) => item * 10);
      },
    });
  }

  submit(...items: readonly number[]): Promise<readonly number[]> {
    return this.commit.submit(items);
  }
}
