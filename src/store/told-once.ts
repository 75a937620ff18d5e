/** So many troubles are told. */
const mostTold = 1000;

/** Passes each trouble on once, and a thousand of them at most: what stays as it is would be told again and again. */
export function toldOnce(troubled: (what: string) => void): (what: string) => void {
  const told = new Set<string>();
  return (what) => {
    if (told.size >= mostTold || told.has(what)) return;
    told.add(what);
    troubled(what);
  };
}
