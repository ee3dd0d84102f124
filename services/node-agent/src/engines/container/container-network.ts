/**
 * The network of a container whose ports are led to: `slirp4netns`, a user-mode network as QEMU has
 * one built in, started and ended by the container's holder. Ports are asked for over its socket.
 */

import { closeSync, openSync } from "node:fs";
import { connect } from "node:net";
import { type PortForward, unavailable } from "@innkeeper/core";
import type { ContainerDirectory } from "./container-directory.js";
import { HOLDER_FILES } from "./holder-script.js";

export const NETWORK_PROGRAM = "slirp4netns";
/** What it gives the one guest that it has. */
const GUEST_ADDRESS = "10.0.2.100";
const ANSWER_TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 64 * 1024;

/** @throws `unavailable` with what the program says, for instance that a port is taken. */
export async function leadPorts(
  directory: ContainerDirectory,
  forwards: readonly PortForward[],
  forwardHost: string,
): Promise<void> {
  for (const { protocol, hostPort, guestPort } of forwards) {
    const rule = { proto: protocol, host_addr: forwardHost, host_port: hostPort };
    const guest = { guest_addr: GUEST_ADDRESS, guest_port: guestPort };
    const answer = await ask(directory, {
      execute: "add_hostfwd",
      arguments: { ...rule, ...guest },
    });
    if (!answer.includes('"return"')) throw notLed(`${protocol}/${hostPort}`, answer);
  }
}

/** One question for each connection, as the program has it. */
async function ask(directory: ContainerDirectory, question: object): Promise<string> {
  // A socket's address is short; the path of the directory may not be.
  const descriptor = openSync(directory.path, "r");
  try {
    const address = `/proc/self/fd/${descriptor}/${HOLDER_FILES.networkSocket}`;
    return await answerOf(address, JSON.stringify(question));
  } finally {
    closeSync(descriptor);
  }
}

function answerOf(address: string, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(address);
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error("it does not answer")));
    socket.on("data", (bytes) => {
      answer += bytes.toString();
      if (answer.length > ANSWER_BYTES_MAX) socket.destroy();
    });
    socket.once("error", (error) => reject(unavailable("network", error.message, error)));
    socket.once("close", () => resolve(answer));
    socket.end(question);
  });
}

function notLed(port: string, answer: string) {
  const said = /"desc": *"([^"]*)"/.exec(answer)?.[1] ?? answer.slice(0, 200);
  return unavailable("network", `${port} cannot be led to the guest: ${said}`);
}
