// Paths as guests give them: relative, with '/' between names. Pure.
import { SymphonyError } from "./error.ts";

const PATH_BYTES_MAX = 4096;

/** The names of a path below a granted folder; none for the folder itself. Throws `files/invalid` for what could lead elsewhere. */
export function pathNames(path: string): string[] {
  if (path === "") return [];
  const refused = (why: string): SymphonyError => new SymphonyError("files/invalid", `Cannot use the path ${JSON.stringify(path.slice(0, 200))}: ${why}`);
  if (path.length > PATH_BYTES_MAX) throw refused(`it is longer than ${PATH_BYTES_MAX} characters`);
  if (path.startsWith("/")) throw refused("it is absolute; paths are relative to the granted folder");
  if (/[\\\0]/.test(path)) throw refused("it holds a backslash or NUL");
  if (!path.isWellFormed()) throw refused("it is no Unicode text");
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) throw refused("it holds an empty name, '.' or '..'");
  return parts;
}
