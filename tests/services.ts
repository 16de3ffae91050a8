// What the host answers its guests with, for tests: the real parts over a folder of the test's own, and the settings that the test says.
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openPermissions } from "../cli/home/grants.ts";
import { openKeys } from "../cli/home/keys.ts";
import { homeSettings, readSecret } from "../cli/home/settings.ts";
import type { ArtifactPort, HostServices, Permissions, ProcessPlatform } from "../runtime/mod.ts";

export interface TestServices extends HostServices {
  permissions: Permissions;
  close(): Promise<void>;
}

/** `settings`: the text of settings.toml. */
export async function createTestServices(
  home: string,
  platform: ProcessPlatform,
  artifacts: ArtifactPort,
  settings = "",
  other: Partial<HostServices> = {},
): Promise<TestServices> {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "settings.toml"), settings);
  const permissions = await openPermissions(home, platform);
  const keys = openKeys(home);
  const read = homeSettings(home);
  return {
    artifacts,
    permissions,
    http: platform.http,
    isPrivateHost: (host) => read.privateHosts.includes(host),
    provider: (name) => (Object.hasOwn(read.models, name) ? read.models[name] : undefined),
    providers: () => Object.keys(read.models),
    keys,
    secret: async (name) => readSecret(read, name),
    openFolder: (path) => platform.folder(path, home),
    isRealPath: (path) => existsSync(path) && realpathSync(path) === path,
    command: (request) => platform.command(request),
    userHome: undefined,
    ...other,
    async close() {
      keys.close();
      await permissions.close();
    },
  };
}
