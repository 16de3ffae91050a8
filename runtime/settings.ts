// The settings of a home, as TOML: what runs survive, what extensions may do, where models are, which secrets there are. Pure.
import { parse as parseToml } from "smol-toml";
import { z } from "zod";
import { type Fault, SymphonyError } from "./error.ts";
import type { ModelProvider } from "./extension/capabilities/services.ts";
import { canonicalHost } from "./extension/permission/right.ts";
import { type Policy, policySchema, readPolicies } from "./extension/permission/policy.ts";
import { IDENTIFIER, IDENTIFIER_SAYS } from "./identifier.ts";
import { faultsOf } from "./schema.ts";

const identifier = z.string().regex(IDENTIFIER, IDENTIFIER_SAYS);
const price = z.strictObject({ input: z.number().min(0), output: z.number().min(0).default(0) });

const schema = z.strictObject({
  durability: z.enum(["process", "power"]).optional(),
  permissions: z.array(policySchema).max(1000).default([]),
  models: z
    .record(
      identifier,
      z.strictObject({
        url: z
          .string()
          .refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), "the address of a server that speaks OpenAI's protocol, such as http://127.0.0.1:11434/v1"),
        key: identifier.optional(),
        prices: z.record(z.string(), price).default({}),
      }),
    )
    .default({}),
  secrets: z
    .record(
      identifier,
      z.union([
        z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of a variable") }),
        z.strictObject({ file: z.string().regex(/^(\/|~\/)/, "a path that begins with / or ~/") }),
      ]),
    )
    .default({}),
  network: z.strictObject({ private: z.array(z.string().max(255)).max(1000).default([]) }).default({ private: [] }),
});

/** Where a secret stands. */
export type SecretPlace = { env: string } | { file: string };

export interface Settings {
  /** What a run survives, where it doesn't say so itself. */
  durability?: "process" | "power" | undefined;
  policies: readonly Policy[];
  models: Readonly<Record<string, ModelProvider>>;
  secrets: Readonly<Record<string, SecretPlace>>;
  /** Hosts to which requests may go although their addresses are private. */
  privateHosts: readonly string[];
}

export const NO_SETTINGS: Settings = { policies: [], models: {}, secrets: {}, privateHosts: [] };

/** `place` names the file in messages. Throws `settings/invalid` with all faults together. */
export function parseSettings(text: string, place: string): Settings {
  let raw: unknown;
  try {
    raw = parseToml(text, { maxDepth: 8 });
  } catch (cause) {
    throw new SymphonyError("settings/invalid", `Cannot use the settings ${place}: they are not TOML: ${(cause as Error).message.split("\n")[0]}`, { cause });
  }
  const read = schema.safeParse(raw);
  const faults: Fault[] = read.success ? [] : faultsOf(read.error, raw, schema);
  if (read.success) {
    const { durability, permissions, models, secrets, network } = read.data;
    const policies = readPolicies(permissions, place, (fault) => void faults.push(fault));
    const privateHosts = network.private.map((host, i) => {
      const canonical = canonicalHost(host.toLowerCase());
      if (canonical === undefined)
        faults.push({ path: `network.private[${i}]`, message: `${JSON.stringify(host)} is no host; expected a name or an address without scheme and port` });
      return canonical ?? host;
    });
    for (const [name, { key }] of Object.entries(models))
      if (key !== undefined && !Object.hasOwn(secrets, key))
        faults.push({ path: `models.${name}.key`, message: `there is no secret ${JSON.stringify(key)}; add [secrets.${key}]` });
    if (faults.length === 0)
      return {
        durability,
        policies,
        models: Object.fromEntries(Object.entries(models).map(([name, { url, key, prices }]) => [name, { url, key, prices }])),
        secrets,
        privateHosts,
      };
  }
  throw new SymphonyError("settings/invalid", `Cannot use the settings ${place}:\n${faults.map(({ path, message }) => `  ${path ? `${path}: ` : ""}${message}`).join("\n")}`, {
    faults,
  });
}
