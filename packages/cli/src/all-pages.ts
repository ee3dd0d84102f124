/** Every item of a paged list. Bounded: a cluster never has more pages than this. */
const PAGES_MAX = 10_000;
export const PAGE_SIZE = 1000;

export async function allPages<T>(
  fetch: (pageToken: string) => Promise<{ items: T[]; nextPageToken: string }>,
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = "";
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { items, nextPageToken } = await fetch(pageToken);
    all.push(...items);
    if (nextPageToken === "") break;
    pageToken = nextPageToken;
  }
  return all;
}
