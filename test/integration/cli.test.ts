/** `inn` as scripts see it: exit codes, formats, idempotence; on simulated nodes of `inn up`. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { PATIENCE, Programs, type Started } from "./programs.js";

const REQUEST = "7d3a3d52-1111-4222-8333-444455556666";

let programs: Programs;
let cluster: Started;

beforeAll(async () => {
  programs = new Programs();
  cluster = await programs.up("data", ["--engines", "sim"]);
});

afterAll(async () => {
  await programs.dispose();
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

const SMALL = ["--image", "tiny", "--memory", "32MiB", "--cpu", "100m"];

async function json(...args: readonly string[]): Promise<unknown> {
  const { out, err } = await inn(...args, "-o", "json");
  expect(err).toBe("");
  return JSON.parse(out);
}

describe("exit codes", () => {
  it("are 0 when it is done", async () => {
    const created = await inn("guest", "create", "zero", ...SMALL);
    expect(created).toMatchObject({ code: 0, err: "create zero ...\n" });
    expect(created.out).toMatch(/^guest zero is RUNNING: .* on n[123]: .*\n$/);
    expect(await inn("guest", "delete", "zero")).toMatchObject({
      code: 0,
      out: "delete zero: gone\n",
    });
  });

  it.each<[number, readonly string[], RegExp]>([
    [1, ["project", "create", "default"], /^inn: project "default" exists already \[PROJECT_EX/],
    [2, ["guest", "create", "x"], /^error: required option '--image <image>'/],
    [2, ["gest", "ls"], /^error: unknown command 'gest'/],
    [2, ["guest", "ls", "-o", "xml"], /^error: option '-o, --output <format>'/],
    [2, ["guest", "create", "../x", ...SMALL], /^inn: guest\.id: "\.\.\/x" is not allowed; all/],
    [2, ["guest", "create", "x", ...SMALL, "--disk", "x"], /^inn: --disk: "x" is not allowed; al/],
    [2, ["guest", "create", "x", ...SMALL, "--cpu", "x"], /^inn: --cpu: "x" is not allowed; all/],
    [3, ["guest", "get", "nobody"], /^inn: no guest "nobody" \[GUEST_NOT_FOUND\]\n$/],
    [3, ["op", "wait", REQUEST], /^inn: no operation "7d3a.*OPERATION_NOT_FOUND/],
    [3, ["guest", "create", "x", "--image", "none"], /^inn: no image "none" \[IMAGE_NOT_FOUND\]/],
    [3, ["image", "import", "no-such-file"], /^inn: cannot read no-such-file: ENOENT/],
  ])("are %i after %j", async (code, args, told) => {
    const finished = await inn(...args);
    expect(finished).toMatchObject({ code, out: "" });
    expect(finished.err).toMatch(told);
  });

  it("are 4 when quota refuses, with the numbers", async () => {
    await inn("project", "create", "small", "--memory", "64MiB");
    const args = ["--project", "small", "guest", "create", "x", "--image", "tiny"];
    const { code, err } = await inn(...args, "--memory", "128MiB");
    expect(code).toBe(4);
    expect(err).toMatch(/project "small".*128 requested.*64.*\[QUOTA_EXCEEDED\]/);
  });

  it("are those of the creation when it is only tried, with what would help", async () => {
    const asked = ["guest", "create", "x", "--image", "tiny", "--dry-run"];
    const fits = await inn(...asked, "--memory", "32MiB");
    expect(fits).toMatchObject({ code: 0 });
    expect(fits.out).toMatch(/^guest x would go: \w+ \(.*\) on n[123]/);
    const pinned = await inn(...asked, "--memory", "32MiB", "--node", "n9");
    expect(pinned).toMatchObject({ code: 4 });
    expect(pinned.out).toMatch(/would wait[\s\S]*make it fit:\n {2}give up --node n9\n/);
    expect((await inn("guest", "get", "x")).code).toBe(3);
  });

  it("are 0 when all of many are created, and each is told", async () => {
    const many = ["guest", "create", "many", "--image", "tiny", "--memory", "32MiB"];
    const { code, out } = await inn(...many, "--count", "3", "--gang");
    expect(code).toBe(0);
    expect(out.match(/^many-[123] +n([123]) +RUNNING on n\1$/gm)).toHaveLength(3);
    const again = await inn(...many, "--count", "2");
    expect(again).toMatchObject({ code: 1 });
    expect(again.out.match(/GUEST_EXISTS/g)).toHaveLength(2);
    for (const name of ["many-1", "many-2", "many-3"]) await inn("guest", "delete", name);
  });

  it("say why not on one node", async () => {
    await inn("guest", "create", "here", "--image", "tiny", "--memory", "32MiB");
    await inn("node", "cordon", "n1");
    const { out } = await inn("guest", "explain", "here", "--node", "n1");
    await inn("node", "uncordon", "n1");
    await inn("guest", "delete", "here");
    expect(out).toMatch(/^not on n1:[\s\S]*cordon +it is cordoned/);
  });

  it("are 4 when the quota of a project above refuses, which is named", async () => {
    await inn("project", "create", "above", "--memory", "64MiB");
    await inn("project", "create", "below", "--parent", "above");
    const args = ["--project", "below", "guest", "create", "x", "--image", "tiny"];
    const { code, err } = await inn(...args, "--memory", "128MiB");
    expect(code).toBe(4);
    expect(err).toMatch(/project "above".*128 requested.*64.*\[QUOTA_EXCEEDED\]/);
    const verified = await inn("project", "verify");
    expect(verified.code).toBe(0);
    expect(verified.out).toMatch(/^usage of \d+ projects equals the sum over \d+ guests/);
  });

  it("are 4 when it fits nowhere, with every node's reason", async () => {
    const { code, err } = await inn(
      "guest",
      "create",
      "huge",
      "--image",
      "tiny",
      "--memory",
      "9TiB",
    );
    expect(code).toBe(4);
    for (const node of ["n1", "n2", "n3"]) {
      expect(err).toMatch(new RegExp(`^ +${node}: memoryMib needs 9437184, has [0-9]+ left`, "m"));
    }
    const explained = await inn("guest", "explain", "huge");
    expect(explained.out).toMatch(/^guest huge is PENDING: no node can take it\nNODE +FILTER/);
    expect((await inn("guest", "delete", "huge")).code).toBe(0);
  });

  it("are 5 when nobody answers", async () => {
    const { code, err } = await programs.inn("127.0.0.1:1", "guest", "ls");
    expect(code).toBe(5);
    expect(err).toMatch(/^inn: .*ECONNREFUSED.*\[UNAVAILABLE\]\n$/);
  });
});

describe("output", () => {
  it("is one JSON value with -o json, for lists, records and errors alike", async () => {
    await inn("guest", "create", "j", ...SMALL, "--label", "tier=web");
    expect(await json("guest", "get", "j")).toMatchObject({ id: "j", labels: { tier: "web" } });
    expect(await json("guest", "ls")).toEqual([expect.objectContaining({ id: "j" })]);
    expect(await json("node", "ls")).toHaveLength(3);
    expect(await json("image", "ls")).toHaveLength(2);
    expect(await json("project", "get", "default")).toMatchObject({ usage: { guests: 1 } });
    expect(await json("op", "ls")).toContainEqual(
      expect.objectContaining({ guestId: "j", state: "OPERATION_STATE_SUCCEEDED" }),
    );
    const { out } = await inn("guest", "get", "j", "-o", "yaml");
    expect(parse(out)).toMatchObject({ id: "j", spec: { imageId: "tiny" } });
  });

  it("shows tables for people, without colours or progress bars in a pipe", async () => {
    const { out } = await inn("guest", "ls");
    const [header = "", row = ""] = out.split("\n");
    expect(header).toMatch(/^NAME +PHASE +NODE +MODE +CPU +MEMORY +RESTARTS +AGE +REASON$/);
    expect(row).toMatch(/^j +RUNNING +n[123] +[a-z]+ +100m +32MiB +0 +[0-9]+s$/);
    expect(out).not.toContain("\u001b");
    expect((await inn("image", "ls")).out).toMatch(/tiny +pvh +[0-9]+KiB/);
  });

  it("explains a place, lists events and the console", async () => {
    expect((await inn("guest", "explain", "j")).out).toMatch(/^.* on n[123]: .*\ndecided from rev/);
    const events = await inn("events");
    expect(events.out).toMatch(/ +[0-9]+ {2}20.*Z {2}GUEST_RUNNING +guest j is RUNNING on n[123]/);
    await vi.waitFor(
      async () => expect((await inn("guest", "logs", "j")).out).toContain("beat 1"),
      PATIENCE,
    );
  });

  it("follows events until it is told to stop", async () => {
    const following = programs.innLater(cluster.address, "events", "--follow");
    await vi.waitFor(() => expect(following.out()).toContain("guest j is RUNNING"), PATIENCE);
    await inn("node", "cordon", "n1");
    await vi.waitFor(() => expect(following.out()).toContain("n1 is ready, cordoned"), PATIENCE);
    following.child.kill("SIGINT");
    await following.ended();
    expect([following.child.exitCode, following.err()]).toEqual([0, ""]);
    expect((await inn("node", "uncordon", "n1")).out).toBe("node n1 is ready\n");
  });
});

describe("resources", () => {
  it("of a running guest change, and what it takes is told", async () => {
    await inn("guest", "create", "r", "--image", "tiny", "--memory", "64MiB", "--cpu", "1");
    const resized = await inn("guest", "resize", "r", "--cpu", "500m", "--memory", "32MiB");
    expect(resized).toMatchObject({ code: 0, out: "guest r: 500m CPU, 32 MiB, RUNNING\n" });
    await vi.waitFor(async () => {
      const { out } = await inn("top", "--once");
      expect(out).toMatch(/^NAME +NODE +CPU +OF +MEMORY +OF$/m);
      expect(out).toMatch(/^default\/r +n[123] +[0-9]+m +500m +32MiB +32MiB$/m);
    }, PATIENCE);
    expect((await inn("guest", "get", "r")).out).toMatch(/^cpu +500m, takes [0-9]+m now$/m);
    expect(await json("guest", "get", "r")).toMatchObject({ usage: { memoryMib: 32 } });
  });

  it("of a running guest cannot exceed what it was launched with", async () => {
    const { code, err } = await inn("guest", "resize", "r", "--memory", "128MiB");
    expect(code).toBe(1);
    expect(err).toMatch(/launched with 64 MiB.*128 are more; stop it, resize it.*NO_LIVE_RESIZE/);
    await inn("guest", "delete", "r");
  });
});

describe("operations", () => {
  it("are printed instead of waited for with --no-wait, and can be waited for later", async () => {
    const begun = await inn("guest", "create", "later", ...SMALL, "--no-wait");
    expect(begun).toMatchObject({ code: 0, err: "" });
    expect(begun.out).toMatch(/^[0-9a-f-]{36}\n$/);
    const waited = await inn("op", "wait", begun.out.trim());
    expect(waited.code).toBe(0);
    expect(waited.out).toMatch(/^[0-9a-f-]{36} succeeded: create later: RUNNING on n[123]\n$/);
    expect((await inn("op", "get", begun.out.trim())).out).toBe(waited.out);
  });

  it("are the same for the same --request-id, and refused for another request", async () => {
    const create = ["guest", "create", "once", ...SMALL, "--no-wait", "--request-id", REQUEST];
    const [first, second] = [await inn(...create), await inn(...create)];
    expect(first.code).toBe(0);
    expect(second).toEqual(first);
    const other = create.map((each) => (each === "once" ? "twice" : each));
    const refused = await inn(...other);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/^inn: request_id: "7d3a.*a new UUID, or the body it was first/);
  });

  it("can be cancelled: one that waits for a place fails with that reason", async () => {
    const huge = ["guest", "create", "never", "--image", "tiny", "--memory", "9TiB", "--no-wait"];
    const id = (await inn(...huge)).out.trim();
    const waiting = programs.innLater(cluster.address, "op", "wait", id);
    expect((await inn("op", "cancel", id)).code).toBe(0);
    await waiting.ended();
    expect(waiting.child.exitCode).not.toBe(0);
    const { out, code } = await inn("op", "get", id);
    expect([code, out]).toEqual([0, expect.stringMatching(/^[0-9a-f-]{36} cancelled: create nev/)]);
    const again = await inn("op", "cancel", id);
    expect([again.code, again.err]).toEqual([1, expect.stringMatching(/NOT_CANCELLABLE\]\n$/)]);
  });

  it("go on when the waiting is interrupted, which is no success", async () => {
    const large = ["--image", "tiny", "--memory", "2GiB", "--cpu", "100m"];
    expect((await inn("guest", "create", "mover", ...large)).code).toBe(0);
    const waiting = programs.innLater(cluster.address, "guest", "migrate", "mover");
    await vi.waitFor(() => expect(waiting.err()).toMatch(/MiB sent/), PATIENCE);
    waiting.child.kill("SIGINT");
    await waiting.ended();
    expect(waiting.child.exitCode).toBe(1);
    const [, id = ""] =
      /goes on: inn op wait ([0-9a-f-]{36}) \[INTERRUPTED\]/.exec(waiting.err()) ?? [];
    const waited = await inn("op", "wait", id);
    expect(waited).toMatchObject({
      code: 0,
      out: expect.stringMatching(/succeeded: migrate mover/),
    });
  });

  it("end a move that takes longer than the guest's policy allows; the guest runs on", async () => {
    const allowed = ["--max-downtime", "40ms", "--max-slowdown", "0", "--migration-timeout", "9m"];
    const large = ["--image", "tiny", "--memory", "2GiB", "--cpu", "100m", ...allowed];
    expect((await inn("guest", "create", "slow", ...large)).code).toBe(0);
    const told = await inn("guest", "set", "slow", "--migration-timeout", "1s");
    expect(told.out).toBe(
      "guest slow: at most 40 ms still, slowed down by at most 0 %, given up after 1 s\n",
    );
    const plan = await inn("guest", "migrate", "slow", "--plan");
    expect(plan.out).toMatch(/^guest +slow: n\d -> n\d\nforecast +about [0-9]+ ms in [0-9]+ r/);
    expect(plan.out).toMatch(/link +[0-9]+ MiB\/s \((assumed|from [0-9]+ earlier)\)/);
    const { code, err } = await inn("guest", "migrate", "slow");
    expect([code, err]).toEqual([5, expect.stringMatching(/not done within 1000 ms: [0-9]+ MiB/)]);
    expect((await inn("guest", "get", "slow")).out).toMatch(/phase +RUNNING/);
    const wrong = await inn("guest", "set", "slow", "--max-slowdown", "100");
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringMatching(/"?100"? is not allowed/)]);
  });
});

describe("a cordoned node", () => {
  it("takes no new guest, which is said where a guest wants only that node", async () => {
    expect((await inn("node", "cordon", "n2")).out).toBe("node n2 is ready, cordoned\n");
    const { code, err } = await inn("guest", "create", "c", ...SMALL, "--node", "n2");
    expect(code).toBe(4);
    expect(err).toMatch(/n2: .*cordon/);
    await inn("node", "uncordon", "n2");
    await vi.waitFor(async () => {
      expect((await inn("guest", "get", "c")).out).toMatch(/phase +RUNNING/);
    }, PATIENCE);
  });
});

describe("an image", () => {
  function describeImage(name: string, text: string, kernel?: string): string {
    const directory = path.join(programs.directory, name);
    mkdirSync(directory);
    writeFileSync(path.join(directory, "image.json"), text);
    if (kernel !== undefined) writeFileSync(path.join(directory, "kernel"), kernel);
    return path.join(directory, "image.json");
  }

  const GOOD = {
    id: "mine",
    kind: "pvh",
    commandLine: "",
    memoryMibMin: 16,
    blobs: [{ role: "kernel", file: "kernel" }],
  };

  it("is imported, found again, and removed while no guest uses it", async () => {
    const file = describeImage("good", JSON.stringify(GOOD), "a kernel");
    const first = await inn("image", "import", file);
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^image mine imported and verified: sha256 [0-9a-f]{64}\n$/);
    expect((await inn("image", "import", file)).out).toBe(first.out);
    const changed = describeImage("changed", JSON.stringify(GOOD), "another kernel");
    expect(await inn("image", "import", changed)).toMatchObject({ code: 1 });
    await inn("guest", "create", "user", "--image", "mine", "--memory", "32MiB", "--cpu", "100m");
    const used = await inn("image", "rm", "mine");
    expect(used.err).toBe('inn: image "mine" is used by 1 guests: user [IMAGE_IN_USE]\n');
    await inn("guest", "delete", "user");
    expect(await inn("image", "rm", "mine")).toMatchObject({ code: 0, err: "" });
  });

  it.each<[string, string, RegExp]>([
    ["no JSON", "{", /an image description in JSON/],
    ["an array", "[]", /^inn: kind: ""/],
    ["of no kind", JSON.stringify({ ...GOOD, kind: "iso" }), /^inn: kind: "iso".*linux, pvh/],
    ["badly named", JSON.stringify({ ...GOOD, id: "A B" }), /^inn: id: "A B"/],
    ["without its blob", JSON.stringify(GOOD), /cannot read .*kernel: ENOENT/],
    [
      "reaching outside",
      JSON.stringify({ ...GOOD, blobs: [{ role: "kernel", file: "../good/kernel" }] }),
      /blobs\.file: "\.\.\/good\/kernel".*a file name beside it/,
    ],
    ["with no blobs", JSON.stringify({ ...GOOD, blobs: [] }), /blobs: "".*one each of kernel/],
    ["in need of no memory", JSON.stringify({ ...GOOD, memoryMibMin: -1 }), /memory_mib_min: -1/],
  ])("that is %s is refused in one line", async (name, text, told) => {
    const file = describeImage(
      name.replaceAll(" ", "-"),
      text,
      name === "without its blob" ? undefined : "k",
    );
    const { code, out, err } = await inn("image", "import", file);
    expect(out).toBe("");
    expect(code).toBe(err.includes("ENOENT") ? 3 : 2);
    expect(err).toMatch(told);
    const lines = err
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("import "));
    expect(lines).toHaveLength(1);
  });
});
