/** The change log, told for people: one event for each record that a commit changed. Pure. */
import {
  type Change,
  type ChangeBatch,
  type ClusterEvent,
  type ControllerRecord,
  type Guest,
  kindOf,
  type NodeRecord,
  type Operation,
} from "@innkeeper/core";

type Told = Omit<ClusterEvent, "revision" | "atMs" | "subjectKind">;

export function describeBatch({ revision, atMs, changes }: ChangeBatch): ClusterEvent[] {
  return changes.map((change) => {
    const subjectKind = kindOf(change.key);
    return { revision, atMs, subjectKind, ...describe(change) };
  });
}

function describe(change: Change): Told {
  const id = change.key.slice(change.key.indexOf("/") + 1);
  switch (kindOf(change.key)) {
    case "guest":
      return describeGuest(id, change.value as Guest | undefined);
    case "operation":
      return describeOperation(id, change.value as Operation | undefined);
    case "node":
      return describeNode(id, change.value as NodeRecord | undefined);
    case "controller":
      return describeController(id, change.value as ControllerRecord | undefined);
    case "image":
    case "project":
      return plain(change, id);
  }
}

function describeController(subjectId: string, controller: ControllerRecord | undefined): Told {
  const epoch = controller?.leaderEpoch ?? 0;
  const where = controller ? ` at ${controller.address}` : "";
  const did = epoch > 0 ? `leads with epoch ${epoch}` : "has joined";
  return {
    subjectId,
    projectId: "",
    reason: epoch > 0 ? "CONTROLLER_LEADS" : "CONTROLLER_JOINED",
    message: `controller ${subjectId} ${did}${where}`,
  };
}

function describeGuest(key: string, guest: Guest | undefined): Told {
  const [projectId = "", subjectId = ""] = key.split("/");
  if (guest === undefined) {
    return { subjectId, projectId, reason: "GUEST_GONE", message: `guest ${subjectId} is gone` };
  }
  const { phase, reason, message, placement } = guest.status;
  const where = placement ? ` on ${placement.nodeId}` : "";
  const why = [reason, message].filter(Boolean).join(": ");
  return {
    subjectId,
    projectId,
    reason: `GUEST_${phase}`,
    message: `guest ${subjectId} is ${phase}${where}${why ? ` (${why})` : ""}`,
  };
}

function describeOperation(id: string, operation: Operation | undefined): Told {
  if (operation === undefined) {
    const message = `operation ${id} was forgotten`;
    return { subjectId: id, projectId: "", reason: "OPERATION_FORGOTTEN", message };
  }
  const { guestId, projectId, kind, state, message } = operation;
  return {
    subjectId: guestId,
    projectId,
    reason: `OPERATION_${state.toUpperCase()}`,
    message: `${kind} of ${guestId}: ${state}${message ? ` (${message})` : ""}`,
  };
}

function describeNode(subjectId: string, node: NodeRecord | undefined): Told {
  const state = node?.state ?? "removed";
  const cordoned = node?.isCordoned ? ", cordoned" : "";
  return {
    subjectId,
    projectId: "",
    reason: `NODE_${state.toUpperCase()}`,
    message: `node ${subjectId} is ${state}${cordoned}`,
  };
}

function plain(change: Change, subjectId: string): Told {
  const verb = change.value === undefined ? "removed" : "written";
  const kind = kindOf(change.key);
  return {
    subjectId,
    projectId: "",
    reason: `${kind}_${verb}`.toUpperCase(),
    message: `${kind} ${subjectId} was ${verb}`,
  };
}
