// The grants of a home: `permissions.json`, written as a whole by the home's owner, read by anybody.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { createPermissions, type Grant, openAudit, type Permissions, type ProcessPlatform, readAudit, type AuditRead, SymphonyError } from "../../runtime/mod.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import { homeSettings } from "./settings.ts";

const FILE = "permissions.json";

const schema = z.strictObject({
  version: z.literal(1),
  grants: z.array(
    z.strictObject({
      n: z.number().int().min(1),
      extension: z.string(),
      publisher: z.string().optional(),
      asked: z.array(z.string()),
      right: z.string(),
      decision: z.enum(["allow", "deny"]),
      at: z.string(),
    }),
  ),
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
    return schema.parse(JSON.parse(text)).grants.map(({ publisher, ...grant }) => ({ ...grant, publisher }));
  } catch (cause) {
    throw new SymphonyError("permission/invalid", `Cannot use the grants in ${JSON.stringify(file)}: the file is damaged; put it right, or delete it and grant anew`, { cause });
  }
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
    keep: (grants) => storage.write(FILE, new TextEncoder().encode(`${JSON.stringify({ version: 1, grants }, null, 1)}\n`)),
    policies: homeSettings(home).policies,
    audit,
    now: Date.now,
  });
  return { ...permissions, close: () => audit.close() };
}
