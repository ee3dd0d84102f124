/** Images: make a stored set of blobs known, forget it again. */
import {
  alreadyExists,
  type Image,
  imageCounter,
  notFound,
  recordKey,
  type Transaction,
} from "@innkeeper/core";
import { type CommandContext, imageInUse, mutate } from "./command-context.js";

const NAMED_MAX = 5;

/**
 * Registers an image whose blobs are stored already. The same content under the same id again is no
 * error.
 * @returns the image's id. @throws `already-exists` when the id has other content.
 */
export function registerImage(
  context: CommandContext,
  input: { readonly image: Image; readonly requestId: string },
): Promise<string> {
  const { image, requestId } = input;
  const body = { do: "register-image", id: image.id, digest: image.digest };
  return mutate(context, { id: requestId, body }, () => {
    const key = recordKey("image", image.id);
    const present = context.mirror.image(image.id);
    if (present && present.value.digest !== image.digest) throw alreadyExists("image", image.id);
    const transaction = {
      checks: [{ key, revision: present?.revision ?? ("absent" as const) }],
      puts: present ? [] : [{ key, value: image }],
      deletes: [],
      counters: [],
    };
    return { transaction, answer: image.id };
  });
}

/** @returns the image's id. @throws `not-found`, `precondition` (IMAGE_IN_USE) naming guests. */
export function deleteImage(
  context: CommandContext,
  input: { readonly imageId: string; readonly requestId: string },
): Promise<string> {
  const { imageId, requestId } = input;
  return mutate(context, { id: requestId, body: { do: "delete-image", imageId } }, () => {
    const found = context.mirror.image(imageId);
    if (found === undefined) throw notFound("image", imageId);
    const users = context.mirror.guests().filter((guest) => guest.spec.imageId === imageId);
    if (users.length > 0) {
      const named = users.slice(0, NAMED_MAX).map((guest) => guest.id);
      throw imageInUse(imageId, users.length, named);
    }
    const key = recordKey("image", imageId);
    const transaction = {
      checks: [{ key, revision: found.revision }],
      puts: [],
      deletes: [key],
      counters: unusedOnly(imageId),
    };
    return { transaction, answer: imageId };
  });
}

/** Refused while a guest uses the image, also one that is created at this moment. */
function unusedOnly(imageId: string): Transaction["counters"] {
  const key = imageCounter(imageId);
  return [
    { key, delta: 1, max: 1 },
    { key, delta: -1, max: undefined },
  ];
}
