/** FNV-1a in 32 bits, over the UTF-16 units of a text (Fowler, Noll, Vo; RFC 9923). */

export const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The same for the same text everywhere and always; not for secrets. */
export function fnv1a(text: string, basis = FNV_BASIS): number {
  let hash = basis;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  return hash >>> 0;
}
