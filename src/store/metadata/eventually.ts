/** A value that one implementation has at once and another has to wait for. */
export type Eventually<T> = T | Promise<T>;

/** A keyset page: items behind `after` in byte order, at most `limit`. */
export interface KeysetPage {
  readonly after?: string;
  readonly limit: number;
}
