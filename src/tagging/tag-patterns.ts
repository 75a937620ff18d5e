/** Whether a tag matches a pattern, in which `*` stands for any characters. Takes time by the product of the lengths. */
export function matchesTag(pattern: string, tag: string): boolean {
  let at = 0;
  let star = -1;
  let retryFrom = 0;
  for (let index = 0; index < tag.length; ) {
    if (pattern[at] === "*") {
      star = at++;
      retryFrom = index;
    } else if (pattern[at] === tag[index]) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++retryFrom;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
