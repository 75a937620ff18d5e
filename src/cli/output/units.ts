const sizeUnits = ["B", "kB", "MB", "GB", "TB", "PB"];

/**
 * Bytes as docker writes them: powers of 1000, `digits` significant ones, `7.83MB`. What rounds up to 1000 is 1 of the
 * next unit, where docker writes `1e+03kB`.
 */
export function formatSize(bytes: number, digits = 3): string {
  let value = bytes;
  let unit = 0;
  while (Number(value.toPrecision(digits)) >= 1000 && unit < sizeUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${Number(value.toPrecision(digits))}${sizeUnits[unit]}`;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/**
 * How long ago something was, as docker writes it: `3 weeks ago`.
 * @param ageMs negative for what is to come, which counts as now
 */
export function formatAge(ageMs: number): string {
  return `${formatDuration(ageMs)} ago`;
}

// The steps are those of https://github.com/docker/go-units/blob/v0.5.0/duration.go
function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / second);
  const minutes = Math.floor(ms / minute);
  const hours = Math.floor(ms / hour + 0.5);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(ms / hour / 24 / 365)} years`;
}

/** How many there are of something: `1 blob`, `2 blobs`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
