/**
 * Which guest holds which port of which node: kept as guests come and go, so that a conflict is
 * refused by the name of the holder. What makes it impossible is the counter in the commit.
 */
import { type Guest, placementsOf, portName } from "@innkeeper/core";

export interface PortHolder {
  readonly uid: string;
  /** As people are told. */
  readonly name: string;
}

export class HeldPorts {
  /** Port → node → holders: more than one only while a batch is decided. */
  readonly #holders = new Map<string, Map<string, PortHolder[]>>();

  addGuest(guest: Guest): void {
    this.#each(guest, (nodeId, port) => this.add(nodeId, port, holderOf(guest)));
  }

  removeGuest(guest: Guest): void {
    this.#each(guest, (nodeId, port) => this.remove(nodeId, port, guest.uid));
  }

  add(nodeId: string, port: string, holder: PortHolder): void {
    const nodes = this.#holders.get(port) ?? new Map<string, PortHolder[]>();
    nodes.set(nodeId, [...(nodes.get(nodeId) ?? []), holder]);
    this.#holders.set(port, nodes);
  }

  remove(nodeId: string, port: string, uid: string): void {
    const nodes = this.#holders.get(port);
    const left = [...(nodes?.get(nodeId) ?? [])];
    const at = left.findIndex((each) => each.uid === uid);
    if (at >= 0) left.splice(at, 1);
    if (left.length > 0) nodes?.set(nodeId, left);
    else nodes?.delete(nodeId);
    if (nodes?.size === 0) this.#holders.delete(port);
  }

  /** Nodes on which another guest holds one of the ports, and which one it is. */
  conflicts(guestUid: string, ports: readonly string[]): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const port of ports) {
      for (const [nodeId, holders] of this.#holders.get(port) ?? []) {
        const other = holders.find(({ uid }) => uid !== guestUid);
        if (other === undefined || found.has(nodeId)) continue;
        found.set(nodeId, `${port} is held by ${other.name}`);
      }
    }
    return found;
  }

  #each({ spec, ...guest }: Guest, act: (nodeId: string, port: string) => void): void {
    const { forwards = [] } = spec;
    if (forwards.length === 0) return;
    for (const { nodeId } of placementsOf({ spec, ...guest })) {
      for (const forward of forwards) act(nodeId, portName(forward));
    }
  }
}

function holderOf({ uid, projectId, id }: Guest): PortHolder {
  return { uid, name: `${projectId}/${id}` };
}
