/**
 * Many new guests in one request: each on its own, or as a gang, which is admitted in one commit
 * and placed all together or not at all.
 */
import { DomainError, invalidField } from "@innkeeper/core";
import { type CommandContext, type Mutation, mutate } from "./command-context.js";
import { type CreateGuestInput, createGuest, prepareCreation } from "./create-guest.js";

export type NewGuest = Omit<CreateGuestInput, "requestId" | "gangId">;

/** What became of one guest of the request. */
export type CreationOutcome = { readonly operationId: string } | { readonly error: DomainError };

/** Each with the answer that it would get alone; a repeated request creates nothing twice. */
export async function createGuests(
  context: CommandContext,
  guests: readonly NewGuest[],
  requestId: string,
): Promise<readonly CreationOutcome[]> {
  return await Promise.all(
    guests.map(async (guest, index) => {
      const own = requestId === "" ? "" : `${requestId}.${index}`;
      try {
        return { operationId: await createGuest(context, { ...guest, requestId: own }) };
      } catch (error) {
        if (error instanceof DomainError) return { error };
        throw error;
      }
    }),
  );
}

/**
 * @returns the operations' ids, in the order of the guests.
 * @throws as `createGuest` when any of them is refused: then none is created.
 */
export async function createGang(
  context: CommandContext,
  guests: readonly NewGuest[],
  requestId: string,
): Promise<readonly string[]> {
  refuseTwins(guests);
  const body = { do: "create-gang", guests };
  const answer = await mutate(context, { id: requestId, body }, () => {
    const gangId = context.ids.uuid();
    return together(guests.map((guest) => prepareCreation(context, { ...guest, gangId })));
  });
  return answer.split(SEPARATOR);
}

const SEPARATOR = ",";

function together(mutations: readonly Mutation[]): Mutation {
  const all = mutations.map(({ transaction }) => transaction);
  return {
    transaction: {
      checks: all.flatMap(({ checks }) => checks),
      puts: all.flatMap(({ puts }) => puts),
      deletes: all.flatMap(({ deletes }) => deletes),
      counters: all.flatMap(({ counters }) => counters),
    },
    answer: mutations.map((each) => each.answer).join(SEPARATOR),
  };
}

function refuseTwins(guests: readonly NewGuest[]): void {
  const seen = new Set<string>();
  guests.forEach(({ projectId, id }, index) => {
    const name = `${projectId}/${id}`;
    if (seen.has(name)) throw invalidField(`guests[${index}].id`, id, "a name that is there once");
    seen.add(name);
  });
}
