// `symphony history`: queries in SQL over the runs of a home.
import { readArgs, usage } from "./args.ts";
import { help } from "./help.ts";
import { openHistory } from "./home/history.ts";
import { pad, withoutControls, write } from "./print.ts";
import { openBackstage } from "./stage.ts";

const CELL_MAX = 60;

export async function history(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("history", args, { json: { type: "boolean" } });
  if (values["help"] || positionals.length === 0) return help(["history"]);
  const [sql, ...more] = positionals;
  if (more.length > 0) throw usage("Cannot query the history: the query is more than one argument; put it in quotes", "history");
  const { home, platform } = await openBackstage(values);
  using index = openHistory(home, platform);
  await index.refresh();
  const rows = index.query(sql as string);
  if (values["json"]) for (const row of rows) write(1, `${JSON.stringify(row)}\n`);
  else if (rows.length > 0) write(1, tableOf(rows));
  else write(2, "No rows.\n");
  return 0;
}

function tableOf(rows: readonly Record<string, unknown>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => withoutControls(String(row[column] ?? "")).replace(/\s+/g, " ")))];
  const widths = columns.map((_, at) => Math.min(CELL_MAX, Math.max(...cells.map((row) => (row[at] as string).length))));
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, at) => pad(cell, widths[at] as number))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
