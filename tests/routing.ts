// Random sequences of joins, leaves and messages on a bus, beside an oracle that compares name by name and keeps nothing. Shares no
// code with the routes.
import { type Bus, createBus } from "../runtime/bus/bus.ts";
import { createRandom } from "./random.ts";

interface Member {
  n: number;
  pattern: string;
  group: string | undefined;
  leave: () => void;
}

const NAMES = ["a", "b", "c", "node", "A"];
const GROUPS = ["one", "two"];

/** By the words of NATS: `*` is one name, `>` at the end one or more. */
function means(pattern: string[], subject: string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return subject.length === 0;
  if (first === ">" && rest.length === 0) return subject.length > 0;
  return subject.length > 0 && (first === "*" || first === subject[0]) && means(rest, subject.slice(1));
}

/** What is wrong in one sequence of `steps`; empty when all is well. */
export function checkRouting(seed: number, steps = 60): string[] {
  const draw = createRandom(seed);
  const one = <T>(list: readonly T[]): T => list[draw(list.length)] as T;
  const subject = (): string => Array.from({ length: 1 + draw(4) }, () => one(NAMES)).join(".");
  const pattern = (): string => {
    const parts = Array.from({ length: 1 + draw(4) }, () => (draw(3) === 0 ? "*" : one(NAMES)));
    if (draw(4) === 0) parts[parts.length - 1] = ">";
    return parts.join(".");
  };

  const bus: Bus = createBus();
  const members: Member[] = [];
  let got: { n: number; payload: unknown }[] = [];
  let joined = 0;
  const wrong: string[] = [];
  for (let step = 0; step < steps && wrong.length === 0; step++) {
    const kind = draw(10);
    if (kind < 3 || members.length === 0) {
      const n = joined++;
      const text = pattern();
      const group = draw(2) === 0 ? one(GROUPS) : undefined;
      const take = ({ payload }: { payload: unknown }): void => void got.push({ n, payload });
      members.push({ n, pattern: text, group, leave: bus.on(text, take, group === undefined ? {} : { group }) });
    } else if (kind < 5) members.splice(draw(members.length), 1)[0]?.leave();
    else {
      const to = subject();
      got = [];
      void bus.publish(to, step);
      const meant = members.filter((member) => means(member.pattern.split("."), to.split(".")));
      const said = `seed ${seed}, step ${step}, ${to}`;
      if (got.some(({ payload }) => payload !== step)) wrong.push(`${said}: something else was delivered`);
      const ones = meant.filter(({ group }) => group === undefined).map(({ n }) => n);
      const gotOnes = got.filter(({ n }) => ones.includes(n)).map(({ n }) => n);
      if (gotOnes.join() !== ones.join()) wrong.push(`${said}: should go to ${ones}, went to ${gotOnes}`);
      for (const name of GROUPS) {
        const group = meant.filter((member) => member.group === name).map(({ n }) => n);
        const count = got.filter(({ n }) => group.includes(n)).length;
        if (count !== Math.min(1, group.length)) wrong.push(`${said}: ${count} of the ${group.length} in group ${name} got it`);
      }
      if (got.some(({ n }) => !meant.some((member) => member.n === n))) wrong.push(`${said}: it went to one who isn't subscribed`);
    }
  }
  for (const { leave } of members) leave();
  return wrong;
}
