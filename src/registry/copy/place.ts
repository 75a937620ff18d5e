import type { RepositoryName } from "../../oci/names.ts";
import type { Registry } from "../registry.ts";

/** A repository of a registry. */
export interface Place {
  readonly registry: Registry;
  readonly repository: RepositoryName;
}
