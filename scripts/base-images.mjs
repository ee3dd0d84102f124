/**
 * Base images for a machine that reaches no image registry, made from the distribution's packages
 * (debootstrap, apt-get) and this machine's `node`. They stand in for the official ones by way of
 * the variables of docker-compose.yml. Needs root and Debian or Ubuntu.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ROOT, run, say, tryRun } from "./run.mjs";

const RECIPES = path.join(ROOT, "docker", "base");

/** What minimal images of a distribution leave out, as the official ones do. */
const LEFT_OUT = [
  ...["var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man"],
  ...["usr/share/info", "usr/share/locale"],
];

/**
 * Makes what is missing. `env` says which engine. Gives the variables of docker-compose.yml that
 * name the images.
 */
export function makeBaseImages(env) {
  const suite = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const source = readFileSync(import.meta.filename, "utf8");
  const tag = hashOfTexts([suite, process.version, source]);
  const image = (kind, hash, make) => madeOnce(`innkeeper-base/${kind}:${hash}`, env, make);
  const debian = image("debian", tag, (name) => importDebian(name, suite, env));
  const node = image("node", tag, (name) => importNode(name, env));
  const recipe = (name) => readFileSync(path.join(RECIPES, `${name}.Dockerfile`), "utf8");
  const build = (kind) =>
    image(kind, hashOfTexts([tag, recipe(kind)]), (name) => {
      const args = ["build", "--quiet", "--build-arg", `BASE=${debian}`, "--tag", name, "-"];
      run("docker", args, { env, input: recipe(kind) });
    });
  return {
    INN_DEBIAN_BASE: debian,
    INN_NODE_BASE: node,
    INN_REDIS_IMAGE: build("redis"),
    INN_NATS_IMAGE: build("nats"),
  };
}

/** Made once for each content: the tag is its hash. */
function madeOnce(name, env, make) {
  if (tryRun("docker", ["image", "inspect", name], { env }).status === 0) return name;
  say(`making image ${name}`);
  make(name);
  return name;
}

function importDebian(name, suite, env) {
  const work = mkdtempSync(path.join(tmpdir(), "inn-base-"));
  try {
    const root = path.join(work, "root");
    run("debootstrap", ["--variant=minbase", suite, root]);
    const files = ["--create", "--directory", root, "."];
    const archive = path.join(work, "root.tar");
    const without = LEFT_OUT.map((each) => `--exclude=./${each}/*`);
    run("tar", [...without, "--file", archive, ...files]);
    run("docker", ["import", "--change", 'CMD ["bash"]', archive, name], { env });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Only the program, where the official image has it. */
function importNode(name, env) {
  const [directory, file] = [path.dirname(process.execPath), path.basename(process.execPath)];
  const inside = `--transform=s,^${file}$,usr/local/bin/node,`;
  const options = ["--create", "--dereference", "--owner=0", "--group=0", "--mode=0755", inside];
  const input = run("tar", [...options, "--directory", directory, file], {
    encoding: "buffer",
    maxBuffer: 512 * 1024 * 1024,
  });
  run("docker", ["import", "-", name], { env, input });
}

function hashOfTexts(texts) {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, 12);
}

if (process.argv[1] === import.meta.filename) {
  const variables = Object.entries(makeBaseImages(process.env));
  process.stdout.write(variables.map(([name, value]) => `export ${name}=${value}\n`).join(""));
}
