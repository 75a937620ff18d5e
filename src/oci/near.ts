/**
 * The candidates that could be meant by `missing`, nearest first, at most `limit`; those too different are left out.
 * Case does not count; a candidate that begins with, contains or ends in `missing` (or the other way round) is near.
 */
export function nearest(missing: string, candidates: readonly string[], limit: number): string[] {
  const wanted = missing.toLowerCase();
  const ranked: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const distance = distanceOf(wanted, candidate.toLowerCase());
    if (distance !== undefined) ranked.push({ candidate, distance });
  }
  ranked.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  return ranked.slice(0, limit).map((entry) => entry.candidate);
}

function distanceOf(wanted: string, candidate: string): number | undefined {
  if (wanted === candidate) return 0;
  const most = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3));
  const distance = editDistance(wanted, candidate, most);
  if (distance !== undefined) return distance;
  const shorter = Math.min(wanted.length, candidate.length);
  if (shorter >= 2 && (candidate.includes(wanted) || wanted.includes(candidate))) return most + 1;
  return undefined;
}

/** The number of letters to add, drop, change or swap with their neighbour; `undefined` when it is over `most`. */
function editDistance(a: string, b: string, most: number): number | undefined {
  if (Math.abs(a.length - b.length) > most) return undefined;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      const swapped =
        i > 1 && j > 1 && a.charCodeAt(i - 1) === b.charCodeAt(j - 2) && a.charCodeAt(i - 2) === b.charCodeAt(j - 1);
      if (swapped) cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      row.push(cost);
      best = Math.min(best, cost);
    }
    if (best > most) return undefined;
    beforeLast = last;
    last = row;
  }
  const distance = at(last, b.length);
  return distance <= most ? distance : undefined;
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
