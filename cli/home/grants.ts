// The grants of a home: `permissions.json`, written as a whole by the home's owner, read by anybody.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { createPermissions, type Grant, openAudit, parseRight, type Permissions, type ProcessPlatform, readAudit, type AuditRead, SymphonyError } from "../../runtime/mod.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import { homeSettings } from "./settings.ts";

const FILE = "permissions.json";

const schema = z.strictObject({
  version: z.literal(1),
  /** What extensions asked for when something was decided about them. */
  identities: z.array(z.strictObject({ extension: z.string(), publisher: z.string().optional(), asked: z.array(z.string()) })),
  grants: z.array(z.strictObject({ n: z.number().int().min(1), identity: z.number().int().min(0), right: z.string(), decision: z.enum(["allow", "deny"]), at: z.string() })),
});

/** Throws `permission/invalid` where the file can't be understood: nothing is taken for granted then. */
export function readGrants(home: string): Grant[] {
  const file = join(home, FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return [];
    throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause });
  }
  try {
    const { identities, grants } = schema.parse(JSON.parse(text));
    return grants.map(({ identity, ...grant }) => {
      const of = identities[identity];
      if (!of) throw new Error(`grant ${grant.n} is nobody's`);
      parseRight(grant.right);
      return { ...grant, extension: of.extension, publisher: of.publisher, asked: of.asked };
    });
  } catch (cause) {
    throw new SymphonyError("permission/invalid", `Cannot use the grants in ${JSON.stringify(file)}: the file is damaged; put it right, or delete it and grant anew`, { cause });
  }
}

/** Each identity once: what a manifest asks for can be long, and many grants hang on it. */
function spellGrants(grants: readonly Grant[]): string {
  const identities = new Map<string, { index: number; identity: object }>();
  const lines = grants.map(({ extension, publisher, asked, ...grant }) => {
    const identity = { extension, ...(publisher === undefined ? {} : { publisher }), asked };
    const key = JSON.stringify(identity);
    const known = identities.get(key) ?? { index: identities.size, identity };
    identities.set(key, known);
    return { ...grant, identity: known.index };
  });
  return `${JSON.stringify({ version: 1, identities: [...identities.values()].map(({ identity }) => identity), grants: lines }, null, 1)}\n`;
}

const auditPorts = (home: string, platform: ProcessPlatform) => ({
  folder: platform.appendFolder(join(home, "audit")),
  head: platform.recordFile(join(home, "audit.head")),
  digest: () => platform.digest(),
});

export function readHomeAudit(home: string, platform: ProcessPlatform): Promise<AuditRead> {
  return readAudit(auditPorts(home, platform));
}

/** The permissions of a home that this process owns. */
export async function openPermissions(home: string, platform: ProcessPlatform): Promise<Permissions & { close(): Promise<void> }> {
  const storage = createFileStorage(home, { durable: true });
  const audit = await openAudit({ ...auditPorts(home, platform), now: Date.now });
  const permissions = createPermissions({
    grants: readGrants(home),
    keep: (grants) => storage.write(FILE, new TextEncoder().encode(spellGrants(grants))),
    policies: homeSettings(home).policies,
    audit,
    now: Date.now,
  });
  return { ...permissions, close: () => audit.close() };
}
