/** How long a sender that was refused may go on, in milliseconds. */
const longestMs = 10_000;

/**
 * Takes the rest of a request's body that nobody wants any more. A client whose connection is closed while it sends sees
 * that break, and not the answer that says why.
 */
export async function takeRest({ body }: Request): Promise<void> {
  if (!body || body.locked) return; // somebody else is at it
  const reader = body.getReader();
  const timer = setTimeout(() => reader.cancel().catch(() => {}), longestMs); // it may have ended just now
  try {
    while (!(await reader.read()).done);
  } catch {
    // The client has gone: nobody waits for the answer.
  } finally {
    clearTimeout(timer);
  }
}
