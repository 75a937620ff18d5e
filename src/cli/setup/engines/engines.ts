import { buildkit } from "./buildkit.ts";
import { containerd } from "./containerd.ts";
import { docker } from "./docker.ts";
import type { Engine } from "./engine.ts";
import { podman } from "./podman.ts";
import { system } from "./system.ts";

/** All that can be told whom to trust, in the order in which it is shown. */
export const engines: readonly Engine[] = [docker, containerd, podman, buildkit, system];
