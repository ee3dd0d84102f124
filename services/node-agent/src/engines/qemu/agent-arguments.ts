/**
 * QEMU's arguments for the channel of the guest agent. A machine without paravirtual devices has it
 * on its second serial port.
 */
import { COPY_FILES } from "./copy-directory.js";
import type { QemuMode } from "./modes.js";

const PORT = "org.qemu.guest_agent.0";

export function agentArguments(mode: QemuMode): string[] {
  const socket = `socket,id=agent,path=${COPY_FILES.agent},server=on,wait=off`;
  return ["-chardev", socket, ...devicesOf(mode).flatMap((each) => ["-device", each])];
}

function devicesOf(mode: QemuMode): readonly string[] {
  if (mode === "full") return [JSON.stringify({ driver: "isa-serial", chardev: "agent" })];
  const bus = mode === "hybrid" ? "virtio-serial-pci" : "virtio-serial-device";
  const port = { driver: "virtserialport", chardev: "agent", name: PORT };
  return [JSON.stringify({ driver: bus }), JSON.stringify(port)];
}
