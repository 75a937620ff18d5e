import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { userId } from "../deploy/image/root-files.ts";
import { loadSettings } from "../src/server/settings/settings.ts";
import { berthProgram } from "./fixtures/command-lines.ts";
import { isSetting } from "./fixtures/environments.ts";
import { renderChart } from "./fixtures/helm-charts.ts";
import { attempt, makeTemporaryFolder, startProcess, succeed } from "./fixtures/processes.ts";
import { isAvailable, programPath } from "./programs.ts";

setDefaultTimeout(60_000);

const root = join(import.meta.dir, "..");
const deploy = join(root, "deploy");
let folder: string;

beforeAll(async () => {
  folder = await makeTemporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

// biome-ignore lint/suspicious/noExplicitAny: safe: each test says what it expects of a document, at any depth
type Tree = any;

describe.skipIf(!isAvailable("helm"))("deploy/helm/berth", () => {
  const chart = join(deploy, "helm", "berth");
  const render = async (values: object, name = "berth") => {
    const objects = await renderChart(chart, { name, values });
    return Object.fromEntries(objects.map((one): [string, Tree] => [one.kind, one]));
  };
  const podOf = (objects: Record<string, Tree>) => objects.StatefulSet?.spec?.template?.spec;
  const environmentOf = (objects: Record<string, Tree>): Record<string, string> => {
    const env = podOf(objects)?.containers?.[0]?.env ?? [];
    return Object.fromEntries(
      env.map(({ name, value }: Tree) => [String(name), String(value ?? "from elsewhere")]),
    );
  };

  test("it is one pod with its data, whose objects find each other", async () => {
    const objects = await render({}, "production");
    expect(Object.keys(objects).sort()).toEqual(["ConfigMap", "Service", "StatefulSet"]);
    const { ConfigMap, Service, StatefulSet } = objects;
    expect(StatefulSet?.spec?.replicas).toBe(1);
    const labels = StatefulSet?.spec?.template?.metadata?.labels;
    expect(labels).toMatchObject({ ...StatefulSet?.spec?.selector?.matchLabels });
    expect(labels).toMatchObject({ ...Service?.spec?.selector });
    const names = [ConfigMap, Service, StatefulSet].map((one) => String(one?.metadata?.name));
    expect(new Set(names)).toEqual(new Set(["production-berth"]));
    const pod = podOf(objects);
    const volumes = [...(pod?.volumes ?? []), ...(StatefulSet?.spec?.volumeClaimTemplates ?? [])];
    const known = volumes.map((one) => String(one.name ?? one.metadata?.name)).sort();
    expect(pod?.containers?.[0]?.volumeMounts?.map(({ name }: Tree) => String(name)).sort()).toEqual(known);
    expect(pod?.volumes?.[0]?.configMap?.name).toBe("production-berth");
    expect(Service?.spec?.ports?.[0]?.targetPort).toBe("http");
  });

  test("helm finds nothing to complain of, and refuses a value that the chart does not have", async () => {
    await succeed(programPath("helm"), ["lint", "--strict", "--quiet", chart]);
    expect(render({ persistance: { size: "1Gi" } })).rejects.toThrow("'persistance' not allowed");
    expect(render({ ingress: { enabled: "yes" } })).rejects.toThrow("/ingress/enabled");
  });

  test("Kubernetes knows every field of its objects", async () => {
    const everything = {
      ...{
        ingress: { enabled: true, className: "nginx" },
        tls: { existingSecret: "tls" },
        imagePullSecrets: [{ name: "a" }],
      },
      ...{ adminPassword: { existingSecret: "first" }, persistence: { storageClass: "fast" } },
      ...{
        nodeSelector: { disk: "ssd" },
        tolerations: [{ operator: "Exists" }],
        affinity: { nodeAffinity: {} },
      },
    };
    const variants = [{}, everything, { persistence: { existingClaim: "old" } }];
    const objects = (await Promise.all(variants.map((values) => renderChart(chart, { values })))).flat();
    const types = join(root, "node_modules", "kubernetes-types");
    const lines = objects.map(({ apiVersion, kind, ...rest }, index) => {
      const room = apiVersion === "v1" ? "core/v1" : apiVersion.replace(".k8s.io", "");
      const type = `import("${types}/${room}").${kind}`;
      return `export const object${index}: ${type} = ${JSON.stringify({ apiVersion, kind, ...rest })};`;
    });
    const file = join(folder, "objects.ts");
    await writeFile(file, lines.join("\n"));
    const compiler = [
      join(root, "node_modules", ".bin", "tsc"),
      ["--noEmit", "--strict", "--ignoreConfig", file],
    ] as const;
    expect(await succeed(...compiler)).toBe("");
    await writeFile(file, lines.join("\n").replaceAll("serviceName", "servicename"));
    expect((await attempt(...compiler)).stdout).toContain("servicename");
  });

  test("its pod is the image's user and may do nothing else", async () => {
    const pod = podOf(await render({}));
    expect(pod?.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: userId, fsGroup: userId });
    expect(pod?.containers?.[0]?.securityContext).toMatchObject({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    });
  });

  test("Berth takes the settings that it is given, and the probes ask for pages that there are", async () => {
    const settings = { "public-url": "https://registry.example.com", tags: [{ repositories: ["a/*"] }] };
    const objects = await render({ settings, ingress: { enabled: true } });
    const environment = environmentOf(objects);
    expect(Object.keys(environment).filter((name) => !isSetting(name))).toEqual(["BERTH_CONFIG"]);
    const file = join(folder, "chart.yaml");
    await writeFile(file, String(objects.ConfigMap?.data?.["berth.yaml"]));
    expect(environment.BERTH_CONFIG).toBe("/etc/berth/berth.yaml");
    expect(loadSettings({}, environment, file)).toMatchObject({
      ...{ ...settings, tags: [{}], data: "/data", "drain-seconds": 5, "stop-seconds": 60 },
      "trusted-proxies": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
    });
    const data = { BERTH_DATA: join(folder, "probed"), BERTH_LISTEN: "127.0.0.1:0", BERTH_CONFIG: file };
    const env = { ...environment, ...data, BERTH_DRAIN_SECONDS: "0" };
    const berth = startProcess(process.execPath, [berthProgram, "serve"], { env });
    try {
      const [, url = ""] = await berth.waitForOutput(/listens on (\S+)/);
      const container = podOf(objects)?.containers?.[0];
      for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
        expect((await fetch(url + String(container?.[probe]?.httpGet?.path))).status).toBe(200);
      }
    } finally {
      await berth.stop();
    }
  });

  test.each([
    [{}, "HTTP", undefined],
    [{ tls: { existingSecret: "registry-tls" } }, "HTTPS", "HTTPS"],
    [{ settings: { tls: { folder: "/data/tls" } } }, "HTTPS", "HTTPS"],
  ])("with %j its probes speak %s, and an ingress does", async (values, scheme, backend) => {
    const objects = await render({ ...values, ingress: { enabled: true } });
    const container = podOf(objects)?.containers?.[0];
    const probes = ["startupProbe", "readinessProbe", "livenessProbe"];
    expect(probes.map((probe) => container?.[probe]?.httpGet?.scheme)).toEqual(probes.map(() => scheme));
    expect(objects.Service?.spec?.ports?.[0]?.appProtocol).toBe(scheme.toLowerCase());
    const annotations = objects.Ingress?.metadata?.annotations;
    expect(annotations?.["nginx.ingress.kubernetes.io/backend-protocol"]).toBe(backend);
  });

  test("a secret's certificate is where Berth is told that it is", async () => {
    const objects = await render({ tls: { existingSecret: "registry-tls" } });
    const environment = environmentOf(objects);
    expect(loadSettings({}, environment).tls).toMatchObject({
      certificate: "/tls/tls.crt",
      key: "/tls/tls.key",
    });
    const pod = podOf(objects);
    const mount = pod?.containers?.[0]?.volumeMounts?.find(({ mountPath }: Tree) => mountPath === "/tls");
    const volume = pod?.volumes?.find(({ name }: Tree) => name === mount?.name);
    expect(volume?.secret).toEqual({ secretName: "registry-tls", defaultMode: 0o440 });
  });

  test("the pod has the time that Berth takes to stop", async () => {
    const pod = podOf(await render({ drainSeconds: 20, stopSeconds: 100 }));
    expect(pod?.terminationGracePeriodSeconds).toBe(130);
  });

  test("an ingress leads to the service, and lets large layers through", async () => {
    const { Ingress, Service } = await render({
      ingress: { enabled: true, className: "nginx", host: "r.example" },
    });
    expect(Ingress?.spec?.ingressClassName).toBe("nginx");
    expect(Ingress?.spec?.tls).toEqual([{ hosts: ["r.example"], secretName: "registry-tls" }]);
    const { service } = Ingress?.spec?.rules?.[0]?.http?.paths?.[0]?.backend ?? {};
    expect(service?.name).toBe(String(Service?.metadata?.name));
    expect(service?.port?.name).toBe(Service?.spec?.ports?.[0]?.name);
    expect(Ingress?.metadata?.annotations).toMatchObject({
      "nginx.ingress.kubernetes.io/proxy-body-size": "0",
    });
  });

  test("what is there already is used: a claim, a secret, where pods may run", async () => {
    const objects = await render({
      persistence: { existingClaim: "old" },
      adminPassword: { existingSecret: "first" },
      ...{ nodeSelector: { disk: "ssd" }, tolerations: [{ operator: "Exists" }], podAnnotations: { a: "b" } },
      image: { repository: "other.example/berth", tag: "2.0" },
    });
    const pod = podOf(objects);
    expect(objects.StatefulSet?.spec?.volumeClaimTemplates).toBeUndefined();
    expect(pod?.volumes?.[1]?.persistentVolumeClaim).toEqual({ claimName: "old" });
    const secret = pod?.containers?.[0]?.env?.find(
      ({ name }: Tree) => String(name) === "BERTH_ADMIN_PASSWORD",
    );
    expect(secret?.valueFrom?.secretKeyRef).toEqual({ name: "first", key: "password" });
    expect(pod).toMatchObject({ nodeSelector: { disk: "ssd" }, tolerations: [{ operator: "Exists" }] });
    expect(pod?.containers?.[0]?.image).toBe("other.example/berth:2.0");
    expect(objects.StatefulSet?.spec?.template?.metadata?.annotations).toMatchObject({ a: "b" });
  });

  test("a change of settings starts the pod anew", async () => {
    const noteOf = async (settings: object) =>
      String(
        (await render({ settings })).StatefulSet?.spec?.template?.metadata?.annotations?.["berth/settings"],
      );
    expect(await noteOf({ workers: 2 })).not.toBe(await noteOf({ workers: 1 }));
  });
});
