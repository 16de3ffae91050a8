// The runs of a home: one folder each, with its journal. Leaves out who runs them (owner.ts).
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SymphonyError } from "../../runtime/mod.ts";
import { near } from "../../runtime/near.ts";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface RunFolder {
  id: string;
  folder: string;
}

function folderOf(home: string, id: string): RunFolder {
  const folder = join(home, "runs", id);
  return { id, folder };
}

/** Whether a run keeps anything there: a piece of a journal, or a snapshot. */
function hasFiles(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /^(journal(-\d+)?|snapshot-\d+)$/.test(name));
  } catch {
    // it was deleted meanwhile, or is no folder
    return false;
  }
}

/** The folder of a run, if there is one with a journal. */
export function knownRun(home: string, id: string): RunFolder | undefined {
  const folder = folderOf(home, id);
  return ID.test(id) && hasFiles(folder.folder) ? folder : undefined;
}

export function createRunFolder(home: string, id: string): RunFolder {
  const made = folderOf(home, id);
  try {
    mkdirSync(made.folder, { recursive: true });
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot keep the run: ${(cause as Error).message}`, { cause });
  }
  return made;
}

export function listRunFolders(home: string): RunFolder[] {
  const folder = join(home, "runs");
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => ID.test(name) && hasFiles(join(folder, name)))
        .sort()
        .map((id) => folderOf(home, id))
    : [];
}

/** The one run whose id begins so. */
export function findRunFolder(home: string, prefix: string): RunFolder {
  const all = listRunFolders(home);
  const found = /^[0-9a-f-]{4,36}$/.test(prefix) ? all.filter(({ id }) => id.startsWith(prefix)) : [];
  if (found.length > 1) throw new SymphonyError("run/unknown", `Cannot tell which run ${prefix} is: ${found.map(({ id }) => id).join(", ")} begin so; give more of its id`);
  const [one] = found;
  if (!one)
    throw new SymphonyError(
      "run/unknown",
      `Cannot find the run ${JSON.stringify(prefix)}${near(
        prefix,
        all.map(({ id }) => id),
      )}; \`symphony runs list\` shows what is kept, and the first four characters of an id are enough`,
    );
  return one;
}

/** Takes a run away for good. That it isn't under way is for the owner of the home to know. */
export function removeRun(run: RunFolder): void {
  try {
    // out of the way first, so that nobody takes up half of it
    const away = `${run.folder}.deleted`;
    renameSync(run.folder, away);
    rmSync(away, { recursive: true, force: true });
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot delete the run: ${(cause as Error).message}`, { cause });
  }
}
