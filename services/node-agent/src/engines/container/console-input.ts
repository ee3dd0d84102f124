/** The way in to a container's standard input: a named pipe that its holder keeps open. */
import { constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { type ConsoleInput, noConsoleInput } from "@innkeeper/core";
import { writeTo } from "../write-to.js";
import type { ContainerDirectory } from "./container-directory.js";
import { HOLDER_FILES } from "./holder-script.js";

/** @throws `precondition` (NO_CONSOLE_INPUT) for a container of an earlier version. */
export function openInput(directory: ContainerDirectory, isTerminal: boolean): ConsoleInput {
  let descriptor: number;
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK;
    descriptor = openSync(directory.file(HOLDER_FILES.input), flags);
  } catch {
    throw noConsoleInput(directory.ref.guestUid);
  }
  const pipe = new Socket({ fd: descriptor, readable: false, writable: true });
  pipe.on("error", () => pipe.destroy());
  return { isTerminal, write: (bytes) => writeTo(pipe, bytes), close: () => pipe.end() };
}
