/**
 * Where simulated guests live: named texts at a location, shared by every process that can see it.
 * Synchronous, so that the simulator stays deterministic on virtual time.
 *
 * W1 A name has one writer (M3), and a text is read whole or not at all.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { unavailable } from "@innkeeper/core";

export interface SimStorage {
  names(location: string): readonly string[];
  read(location: string, name: string): string | undefined;
  write(location: string, name: string, text: string): void;
  remove(location: string, name: string): void;
}

/** A location is a directory; each name is a file in it. Survives processes, not the host. */
export const directorySimStorage: SimStorage = {
  names: (location) =>
    existsSync(location) ? readdirSync(location).filter((name) => !name.startsWith(".")) : [],
  read: (location, name) => {
    try {
      return readFileSync(path.join(location, name), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw unavailable("simulated guest", `cannot read ${name} in ${location}`, error);
    }
  },
  write: (location, name, text) => {
    try {
      mkdirSync(location, { recursive: true, mode: 0o700 });
      const temporary = path.join(location, `.${name}`);
      writeFileSync(temporary, text, { mode: 0o600 });
      renameSync(temporary, path.join(location, name));
    } catch (error) {
      throw unavailable("simulated guest", `cannot write ${name} in ${location}`, error);
    }
  },
  remove: (location, name) => {
    rmSync(path.join(location, name), { force: true });
  },
};

/** All locations in memory, for one test. */
export class MemorySimStorage implements SimStorage {
  readonly #texts = new Map<string, Map<string, string>>();

  names(location: string): readonly string[] {
    return [...(this.#texts.get(location)?.keys() ?? [])];
  }

  read(location: string, name: string): string | undefined {
    return this.#texts.get(location)?.get(name);
  }

  write(location: string, name: string, text: string): void {
    const texts = this.#texts.get(location) ?? new Map<string, string>();
    this.#texts.set(location, texts.set(name, text));
  }

  remove(location: string, name: string): void {
    this.#texts.get(location)?.delete(name);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
