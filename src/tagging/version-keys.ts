// Keys that a database sorts by bytes, in the order in which versions are sorted.

/** A whole number: how many digits it has, then the digits. At most 35 digits, no leading zeros. */
export function numberKey(digits: string): string {
  return digits.length.toString(36) + digits;
}

/** Ends an identifier and a list of them: lower than all that an identifier is made of. */
const endOfIdentifier = "!";
const endOfList = " ";

/**
 * Identifiers of a prerelease or of build metadata, by SemVer's precedence.
 * https://semver.org/spec/v2.0.0.html#spec-item-11: "identifiers consisting of only digits are compared numerically",
 * others "lexically in ASCII sort order"; "numeric identifiers always have lower precedence than non-numeric
 * identifiers"; "a larger set of pre-release fields has a higher precedence than a smaller set"
 */
export function identifiersKey(identifiers: readonly (string | number)[]): string {
  const keys = identifiers.map((identifier) => {
    const text = String(identifier);
    return /^\d+$/.test(text) ? `0${longNumberKey(text)}` : `1${text}${endOfIdentifier}`;
  });
  return keys.join("") + endOfList;
}

/** Build metadata may have numbers with leading zeros and of any length; a tag has 128 characters. */
function longNumberKey(text: string): string {
  const digits = text.replace(/^0+(?=\d)/, "");
  return digits.length.toString().padStart(3, "0") + digits;
}

/** Numbers of a variant, such as the 3.20 of alpine3.20; a longer list is the higher. */
export function dottedKey(text: string): string {
  return identifiersKey(text === "" ? [] : text.split("."));
}
