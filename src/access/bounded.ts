/** Keeps a map or set to its newest entries, so that what others send cannot fill the memory. */
export function dropOldest(items: Map<string, unknown> | Set<string>, most: number): void {
  for (const key of items.keys()) {
    if (items.size <= most) return;
    items.delete(key);
  }
}
