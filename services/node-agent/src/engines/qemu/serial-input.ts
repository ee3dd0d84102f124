/**
 * The way in to a guest's serial port. What the guest prints comes this way as well, but is read
 * from the log: here it is thrown away, or the port would fill.
 */
import { connect, type Socket } from "node:net";
import { type ConsoleInput, type DomainError, unavailable } from "@innkeeper/core";
import { writeTo } from "../write-to.js";

/** @throws `unavailable` when the port cannot be reached, for instance while another one has it. */
export function openSerialPort(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once("error", (error) => reject(unreachable(error)));
    socket.once("connect", () => resolve(socket));
  });
}

export function serialInput(socket: Socket): ConsoleInput {
  socket.removeAllListeners("error");
  socket.on("error", () => socket.destroy());
  socket.resume();
  return { isTerminal: true, write: (bytes) => writeTo(socket, bytes), close: () => socket.end() };
}

function unreachable(error: Error): DomainError {
  return unavailable("console", `the serial port cannot be reached: ${error.message}`, error);
}
