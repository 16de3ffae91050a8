// Lists a granted folder, or reads one file of it. What a path may be is for the host to decide, whose faults are passed
// on as they are.
import { Call, ErrorKind, FileKind, Value, entries, progress } from "symphony";
import { compareText } from "symphony/json";
import { readText } from "./content";

/** How many entries pass between two reports of progress. */
const REPORT_EVERY = 1000;

export function process(call: Call): void {
  const folder = call.input("folder").text;
  if (call.has("path")) readText(call, folder, call.input("path").text);
  else list(call, folder);
}

function list(call: Call, root: string): void {
  const include = names(call.text("include"));
  const exclude = names(call.text("exclude"));
  const most = <i32>call.number("maxFiles");
  const paths: string[] = [];
  const folders: string[] = [""];
  let skipped = 0;
  let seen = 0;
  while (folders.length) {
    const folder = folders.pop();
    const prefix = folder.length ? folder + "/" : "";
    let after = "";
    for (;;) {
      const page = entries(root, folder, after);
      const fault = page.fault;
      if (fault) { call.fault = fault; return; }
      if (page.value.length == 0) break;
      for (let i = 0; i < page.value.length; i++) {
        const entry = page.value[i];
        if (++seen % REPORT_EVERY == 0) progress(0, paths.length.toString() + " files");
        if (exclude.includes(entry.name)) continue;
        if (entry.kind == FileKind.Folder) folders.push(prefix + entry.name);
        else if (entry.kind != FileKind.File) skipped++;
        else if (ends(entry.name, include)) {
          if (paths.length == most) {
            call.fail(ErrorKind.Limit, "files.too-many", `Folder "${root}" holds more than ${most} files that fit; raise maxFiles, or narrow include and exclude.`, "maxFiles");
            return;
          }
          paths.push(prefix + entry.name);
        }
      }
      after = page.value[page.value.length - 1].name;
    }
  }
  progress(1, paths.length.toString() + " files");
  paths.sort(compareText);
  const values: Value[] = [];
  for (let i = 0; i < paths.length; i++) values.push(Value.text(paths[i]));
  call.output("paths", Value.items(values));
  call.output("skipped", Value.number(skipped));
}

/** The names in a list with commas, without spaces around them. */
function names(text: string): string[] {
  const out: string[] = [];
  const parts = text.split(",");
  for (let i = 0; i < parts.length; i++) {
    const name = parts[i].trim();
    if (name.length) out.push(name);
  }
  return out;
}

/** Whether a name has one of the endings, after a point; "md" and ".md" are the same ending. */
function ends(name: string, endings: string[]): bool {
  if (endings.length == 0) return true;
  for (let i = 0; i < endings.length; i++) {
    const ending = endings[i];
    if (name.endsWith(ending.startsWith(".") ? ending : "." + ending)) return true;
  }
  return false;
}

