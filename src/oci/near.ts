/** The most edits that two texts may lie apart and still be near, however long they are. It bounds the work. */
const maxEdits = 6;

/**
 * The candidates that someone who wrote `missing` may have meant, best first, for an error's message.
 *
 * Near is, letter case apart: what begins with `missing` or is its beginning (`1.2` and `1.2.5`); what lies a few edits
 * away, at most a third of its length and never over 6; what contains it, or is contained in it, as a whole component
 * or with at least three characters. Among equally near ones the longer common beginning wins, then the earlier
 * candidate. `missing` itself is left out. 500 candidates of 255 characters take some milliseconds.
 * @param limit the most candidates in the answer
 */
export function nearest<Name extends string>(
  missing: string,
  candidates: readonly Name[],
  limit: number,
): Name[] {
  const wanted = missing.toLowerCase();
  const near: { readonly candidate: Name; readonly cost: number; readonly shared: number }[] = [];
  for (const candidate of candidates) {
    if (candidate === missing) continue;
    const found = candidate.toLowerCase();
    const cost = costOf(wanted, found);
    if (cost !== undefined) near.push({ candidate, cost, shared: sharedStart(wanted, found) });
  }
  near.sort((a, b) => a.cost - b.cost || b.shared - a.shared);
  return near.slice(0, Math.max(0, limit)).map(({ candidate }) => candidate);
}

/**
 * How far apart two texts are, `undefined` when they are not near: a number of edits; a beginning counts as more than
 * none and less than one edit, another part as more than two and less than three, by how much is missing.
 */
function costOf(wanted: string, found: string): number | undefined {
  if (wanted === found) return 0;
  if (wanted === "" || found === "") return undefined;
  const [long, short] = wanted.length >= found.length ? [wanted, found] : [found, wanted];
  const rest = 0.99 * (1 - short.length / long.length);
  if (long.startsWith(short) && (short === wanted || isPart(long, short))) return rest;
  const edits = editDistance(wanted, found, Math.min(maxEdits, Math.floor((wanted.length + 1) / 3)));
  return edits !== undefined && edits <= 2 ? edits : isPart(long, short) ? 2 + rest : edits;
}

function isPart(long: string, short: string): boolean {
  return short.length >= 3 ? long.includes(short) : components(long).includes(components(short));
}

/** `a.b_c` as `/a/b/c/`, so that whole components can be found as a part. */
function components(text: string): string {
  return `/${text.replace(/[._:-]/g, "/")}/`;
}

function sharedStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/**
 * The number of characters to insert, leave out, replace or swap with their neighbour to make `b` of `a`; `undefined`
 * when it is over `most`. (The restricted Damerau-Levenshtein distance: no part is edited twice.)
 */
export function editDistance(a: string, b: string, most: number): number | undefined {
  if (Math.abs(a.length - b.length) > most) return undefined;
  const start = sharedStart(a, b); // what both have at the ends costs nothing
  let aEnd = a.length;
  let bEnd = b.length;
  while (aEnd > start && bEnd > start && a[aEnd - 1] === b[bEnd - 1]) {
    aEnd--;
    bEnd--;
  }
  return bandedDistance(a.slice(start, aEnd), b.slice(start, bEnd), most);
}

/** Fills only the cells of the table that are at most `most` off its diagonal: the others hold more than that. */
function bandedDistance(a: string, b: string, most: number): number | undefined {
  const over = most + 1;
  let beforeLast = new Uint16Array(b.length + 1).fill(over);
  let last = Uint16Array.from({ length: b.length + 1 }, (_, column) => Math.min(column, over));
  let row = new Uint16Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    row.fill(over);
    row[0] = Math.min(i, over);
    let best = cell(row, 0);
    const end = Math.min(b.length, i + most);
    for (let j = Math.max(1, i - most); j <= end; j++) {
      const replaced = cell(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, replaced, over);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, cell(beforeLast, j - 2) + 1);
      row[j] = cost;
      best = Math.min(best, cost);
    }
    if (best > most) return undefined; // the rows below hold no less
    [beforeLast, last, row] = [last, row, beforeLast];
  }
  const distance = cell(last, b.length);
  return distance > most ? undefined : distance;
}

function cell(row: Uint16Array, column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY; // the column is never outside
}
