/** Writes to a guest at the guest's pace. */
import type { Socket } from "node:net";
import { unavailable } from "@innkeeper/core";

/** Resolves when the system has taken them. @throws `unavailable` when the other end is gone. */
export function writeTo(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const isGone = (): void => reject(unavailable("console", "the other end is gone"));
    socket.once("close", isGone);
    socket.write(bytes, (error) => {
      socket.off("close", isGone);
      if (error) isGone();
      else resolve();
    });
  });
}
