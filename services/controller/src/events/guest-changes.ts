/** Says which guests changed, for those who want to look again at once. */
import { type Guest, kindOf, type Revision } from "@innkeeper/core";
import type { Mirror } from "../mirror/mirror.js";

/** Calls for each guest that a commit changed, until the returned function is called. */
export function tellGuestChanges(
  mirror: Pick<Mirror, "subscribe">,
  onChanged: (guestUid: string, revision: Revision) => void,
): () => void {
  return mirror.subscribe(({ revision, changes }, before) => {
    changes.forEach(({ key, value }, index) => {
      if (kindOf(key) !== "guest") return;
      const guest = (value ?? before[index]) as Guest | undefined;
      if (guest) onChanged(guest.uid, revision);
    });
  });
}
