import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { matchesRepository, parseRepositoryPattern } from "../oci/repository-patterns.ts";
import { decide, type Grant, type Limit, mayAdministerRegistry, readablePrefixes } from "./permissions.ts";
import { actions, actionsOf, roles } from "./roles.ts";

const pattern = fc
  .constantFrom("**", "gallery/*", "gallery/**", "gallery/app", "team-*/x", "*", "**/app")
  .map(parseRepositoryPattern);
const repository = fc.constantFrom("gallery/app", "gallery/app/web", "gallery", "team-a/x", "secret", "app");
const grants = fc.array(fc.record({ role: fc.constantFrom(...roles), repositories: pattern }), {
  maxLength: 4,
});
const limits = fc.array(fc.record({ actions: fc.subarray([...actions]), repositories: pattern }), {
  maxLength: 3,
});
const action = fc.constantFrom(...actions);

const grant = (role: Grant["role"], repositories: string): Grant => ({
  role,
  repositories: parseRepositoryPattern(repositories),
});

describe("decide", () => {
  test("decide allows what one grant covers, and no limit leaves out", () => {
    fc.assert(
      fc.property(
        grants,
        fc.option(limits, { nil: undefined }),
        action,
        repository,
        (given, bounds, act, name) => {
          const covered = given.some(
            ({ role, repositories }) =>
              actionsOf(role).includes(act) && matchesRepository(repositories, name),
          );
          const within =
            bounds === undefined ||
            bounds.some(
              (limit) => limit.actions.includes(act) && matchesRepository(limit.repositories, name),
            );
          const permissions = { grants: given, ...(bounds ? { limits: bounds } : {}) };
          expect(decide(permissions, act, name).allowed).toBe(covered && within);
        },
      ),
    );
  });

  test("decide takes nothing away when a grant is added", () => {
    fc.assert(
      fc.property(grants, grants, action, repository, (given, more, act, name) => {
        fc.pre(decide({ grants: given }, act, name).allowed);
        expect(decide({ grants: [...more, ...given] }, act, name).allowed).toBe(true);
      }),
    );
  });

  test("decide allows nothing when nothing is granted", () => {
    const all: Limit = { actions, repositories: parseRepositoryPattern("**") };
    for (const act of actions)
      expect(decide({ grants: [], limits: [all] }, act, "gallery/app").allowed).toBe(false);
  });

  test("decide names the role that is needed", () => {
    expect(decide({ grants: [grant("writer", "gallery/*")] }, "overwrite", "gallery/app").reason).toBe(
      "overwrite on gallery/app needs the role maintainer there",
    );
  });

  test("decide gives each role what the one before it may do", () => {
    const allowed = roles.map(
      (role) => actions.filter((act) => decide({ grants: [grant(role, "**")] }, act, "a").allowed).length,
    );
    expect(allowed).toEqual([1, 2, 4, 5]);
  });
});

describe("mayAdministerRegistry", () => {
  test("mayAdministerRegistry wants an administrator of everything whose credential is for that", () => {
    const everywhere = [grant("administrator", "**")];
    expect(mayAdministerRegistry({ grants: everywhere })).toBe(true);
    expect(mayAdministerRegistry({ grants: [grant("administrator", "*")] })).toBe(false);
    expect(mayAdministerRegistry({ grants: [grant("maintainer", "**")] })).toBe(false);
    const pullOnly: Limit = { actions: ["pull"], repositories: parseRepositoryPattern("**") };
    expect(mayAdministerRegistry({ grants: everywhere, limits: [pullOnly] })).toBe(false);
  });
});

describe("readablePrefixes", () => {
  test("readablePrefixes begin every repository that may be pulled", () => {
    fc.assert(
      fc.property(grants, repository, (given, name) => {
        fc.pre(decide({ grants: given }, "pull", name).allowed);
        const prefixes = readablePrefixes({ grants: given });
        expect(prefixes.filter((prefix) => name.startsWith(prefix))).toHaveLength(1);
      }),
    );
  });
});
