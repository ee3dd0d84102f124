/**
 * A real distribution, unmodified: Debian with systemd boots in modes `full`, `hybrid` and
 * `container` to its login prompt, is used, powered off, started again, and on disks runs out of
 * the host's disk.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { PATIENCE, Programs, type Started } from "./programs.js";
import { SerialConsole } from "./serial-console.js";

const IMAGE = fileURLToPath(new URL("../../images/build/debian/image.json", import.meta.url));
const ROOTFS = fileURLToPath(
  new URL("../../images/build/debian-rootfs/image.json", import.meta.url),
);
const MODES = ["full", "hybrid"] as const;
const SIZE = ["--memory", "256MiB", "--cpu", "1", "--restart", "never", "--stop-timeout", "60s"];

const SCRIPT = "#!/bin/sh\necho told once >>/var/told\n";

let programs: Programs;
let cluster: Started;
let disks: string;
let userData: string;
/** The disks have a small file system of their own, so that it can be filled. */
let isMounted = false;

beforeAll(async () => {
  programs = new Programs();
  if (!existsSync(IMAGE)) return;
  disks = path.join(programs.directory, "data", "nodes", "n1", "disks");
  mkdirSync(disks, { recursive: true });
  const options = ["-t", "tmpfs", "-o", "size=1500m", "innkeeper-test", disks];
  isMounted = spawnSync("mount", options).status === 0;
  cluster = await programs.up("data", ["--nodes", "1"]);
  for (const image of [IMAGE, ROOTFS]) {
    expect((await inn("image", "import", image)).code).toBe(0);
  }
  userData = path.join(programs.directory, "user-data");
  writeFileSync(userData, SCRIPT);
  for (const mode of MODES) {
    const options = ["--mode", mode, "--image", "debian", "--forward", "7777"];
    const created = await inn(
      "guest",
      "create",
      mode,
      ...SIZE,
      ...options,
      "--user-data",
      userData,
    );
    expect(created.code).toBe(0);
  }
});

afterAll(async () => {
  if (isMounted) execFileSync("umount", ["--lazy", disks]);
  await programs.dispose();
});

beforeEach((context) => {
  if (!existsSync(IMAGE))
    context.skip("the image debian is not built: see scripts/debian-image.mjs");
});

function inn(...args: readonly string[]) {
  return programs.inn(cluster.address, ...args);
}

async function atConsole(name: string): Promise<SerialConsole> {
  const { out } = await inn("guest", "get", name, "-o", "json");
  const { uid, status } = JSON.parse(out) as {
    uid: string;
    status: { placement: { epoch: number | string } };
  };
  const copy = `${uid}.${status.placement.epoch}`;
  const node = path.join(programs.directory, "data", "nodes", "n1");
  const terminal = await SerialConsole.open(path.join(node, "guests", copy, "serial.sock"));
  await terminal.logIn();
  return terminal;
}

it("boots in full and in hybrid to a login prompt, on the devices of each mode", async () => {
  const [full, hybrid] = await Promise.all(MODES.map(atConsole));
  const seen = "cat /etc/debian_version; ls /sys/block | grep -c '^vd'; ls /sys/bus/virtio/devices";
  // The volume that tells it of itself is a CD in one and a second virtual disk in the other.
  const [version, virtualDisks, ...virtio] = ((await full?.run(seen)) ?? "").split("\n");
  expect([version, virtualDisks, virtio]).toEqual([expect.stringMatching(/^12/), "0", []]);
  expect(await full?.run("ls /sys/block | grep '^sd'")).toBe("sda");
  expect(await hybrid?.run("ls /sys/block | grep '^[sv]da'")).toBe("vda");
  for (const each of [full, hybrid]) {
    expect(await each?.run("systemctl is-system-running --wait")).toBe("running");
    expect(await each?.run("ip -4 -brief address | grep -c 10.0.2.15")).toBe("1");
    each?.close();
  }
});

it("boots in a container to a login prompt, on a terminal of its own, and powers off", async () => {
  const told = ["--image", "debian-rootfs", "--user-data", userData];
  const created = await inn("guest", "create", "box", ...SIZE, ...told);
  expect(created.out).toMatch(/^guest box is RUNNING: container /);
  await vi.waitFor(async () => {
    expect((await inn("guest", "logs", "box")).out).toMatch(/ login: $/);
  }, PATIENCE);
  const type = (text: string) =>
    programs.innFed(
      cluster.address,
      text,
      ...["guest", "console", "box", "--linger", "2s", "--history", "0"],
    );
  expect((await type("root\r")).out).toMatch(/root@.*# $/);
  const used = await type("tty; systemctl is-system-running --wait; cat /proc/1/cgroup\r");
  expect([used.code, used.err]).toEqual([0, ""]);
  expect(used.out).toMatch(/\/dev\/console\r\nrunning\r\n[\s\S]*0::\/init.scope\r\n/);
  const exec = (...words: string[]) => inn("guest", "exec", "box", "--", ...words);
  expect((await exec("cat", "/proc/1/comm")).out).toBe("systemd\n");
  expect((await exec("sh", "-c", "hostname; cat /var/told")).out).toBe("box\ntold once\n");
  const service = ["systemd-run", "--quiet", "--wait", "--pipe", "cat", "/proc/self/cgroup"];
  expect((await exec(...service)).out).toMatch(/0::\/system.slice\/run-.*\.service$/m);
  const { out } = await inn("guest", "get", "box", "-o", "json");
  const { uid } = JSON.parse(out) as { uid: string };
  expect((await exec("cat", "/etc/machine-id")).out).toBe(`${uid.replaceAll("-", "")}\n`);
  expect(await inn("guest", "stop", "box")).toMatchObject({ code: 0 });
  expect((await inn("guest", "get", "box")).out).toMatch(/last exit +guest-shutdown/);
  expect((await inn("guest", "delete", "box")).code).toBe(0);
});

it("is used at its console, also by a script", async () => {
  const shell = await atConsole("hybrid");
  shell.close();
  const options = ["--linger", "5s", "--history", "0"];
  const typed = "echo mark$((40 + 2))\r";
  const used = await programs.innFed(
    cluster.address,
    typed,
    "guest",
    "console",
    "hybrid",
    ...options,
  );
  expect([used.code, used.err]).toEqual([0, ""]);
  expect(used.out).toMatch(/echo mark\$\(\(40 \+ 2\)\)\r\n[^a-z]*l?\r?mark42\r\n/);
});

it("takes its name and its first script from the volume that tells it of itself", async () => {
  for (const mode of MODES) {
    const seen = await inn("guest", "exec", mode, "--", "sh", "-c", "hostname; cat /var/told");
    expect(seen).toMatchObject({ code: 0, out: `${mode}\ntold once\n` });
    const { out } = await inn("guest", "get", mode);
    expect(out).toMatch(new RegExp(`user data +${SCRIPT.length} bytes`));
  }
});

/** Perl is on every Debian: one connection, one line. */
const SERVER = `use IO::Socket::INET; my $server = IO::Socket::INET->new(
  LocalPort => 7777, Listen => 1, ReuseAddr => 1) or die;
my $client = $server->accept; print $client "served by $ARGV[0]\\n"; close $client;`;

it("is reached by a port of its node", async () => {
  for (const mode of MODES) {
    const served = programs.innLater(
      cluster.address,
      ...["guest", "exec", mode, "--", "perl", "-e", SERVER, mode],
    );
    const { out } = await inn("guest", "get", mode);
    const [, host = "", port = ""] = /ports +tcp ([0-9.]+):([0-9]+) -> 7777/.exec(out) ?? [];
    await vi.waitFor(async () => {
      expect(await read(host, Number(port))).toBe(`served by ${mode}\n`);
    }, PATIENCE);
    await served.ended();
    expect(served.child.exitCode).toBe(0);
  }
});

function read(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, host);
    socket.on("data", (bytes) => {
      text += bytes.toString();
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(text));
  });
}

const FIND_SLEEP = `for each in /proc/[0-9]*/comm; do
  read name < $each; [ "$name" = sleep ] && exit 0
done 2>/dev/null; exit 1`;

it("runs commands by the agent in the guest", async () => {
  for (const mode of MODES) {
    const exec = (...words: string[]) => inn("guest", "exec", mode, "--", ...words);
    const script = "cat /etc/debian_version; echo bad >&2; exit 3";
    const ran = await exec("sh", "-c", script);
    expect(ran).toMatchObject({ code: 3, out: expect.stringMatching(/^12/), err: "bad\n" });
    const missing = await exec("no-such-program");
    expect([missing.code, missing.out]).toEqual([125, ""]);
    expect(missing.err).toContain("[COMMAND_NOT_STARTED]");
    const late = await inn("guest", "exec", mode, "--timeout", "1s", "--", "sleep", "300");
    expect([late.code, late.err]).toEqual([125, expect.stringContaining("[EXEC_TIMED_OUT]")]);
    await vi.waitFor(async () => {
      expect(await exec("sh", "-c", FIND_SLEEP)).toMatchObject({ code: 1, err: "" });
    }, PATIENCE);
  }
});

it("powers off when it is asked to, and finds what it wrote when it starts again", async () => {
  const terminal = await atConsole("hybrid");
  await terminal.run("echo kept > ~/note; sync");
  terminal.close();
  expect(await inn("guest", "stop", "hybrid")).toMatchObject({ code: 0 });
  expect((await inn("guest", "get", "hybrid")).out).toMatch(/last exit +guest-shutdown/);
  expect(await inn("guest", "start", "hybrid")).toMatchObject({ code: 0 });
  const again = await atConsole("hybrid");
  expect(await again.run("cat ~/note")).toBe("kept");
  // A second boot is not a first one.
  expect(await again.run("cat /var/told; hostname")).toBe("told once\nhybrid");
  again.close();
});

it("stands still while the host's disk is full, says so, and goes on", async (context) => {
  if (!isMounted) context.skip("no file system can be mounted here");
  const terminal = await atConsole("hybrid");
  const free = execFileSync("df", ["--output=avail", "-B1M", disks], { encoding: "utf8" });
  const ballastMib = Number(free.trim().split("\n").at(-1)) - 20;
  const ballast = Buffer.alloc(ballastMib * 1024 * 1024);
  writeFileSync(path.join(disks, "ballast"), ballast);
  const fill = "head -c 100M /dev/urandom > ~/large; sync; md5sum < ~/large > ~/sum";
  const filled = terminal.run(`${fill}; cat ~/sum`);
  await vi.waitFor(async () => {
    const { out } = await inn("guest", "get", "hybrid");
    expect(out).toMatch(/phase +RUNNING - DISK_FULL - its node's disk is full, with [0-9]+ MiB/);
  }, PATIENCE);
  expect((await inn("events")).out).toMatch(/GUEST_RUNNING .*hybrid.*DISK_FULL: its node's disk/);
  rmSync(path.join(disks, "ballast"));
  const [sum] = (await filled).split(" ");
  expect(sum).toMatch(/^[0-9a-f]{32}$/);
  await terminal.run("echo 3 > /proc/sys/vm/drop_caches");
  expect(await terminal.run("md5sum < ~/large")).toContain(sum);
  expect((await inn("guest", "get", "hybrid")).out).toMatch(/phase +RUNNING$/m);
  terminal.close();
});
