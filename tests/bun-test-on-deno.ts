// `bun:test` for Deno: the few functions that our tests use, over Deno's own runner and the same matchers.
import { expect } from "expect";

type DenoTest = (options: { name: string; ignore?: boolean; sanitizeOps: boolean; sanitizeResources: boolean; sanitizeExit: boolean; fn: () => unknown }) => void;
const { test: register } = (globalThis as unknown as { Deno: { test: DenoTest } }).Deno;

const scope: string[] = [];
const befores: (() => unknown)[] = [];
const afters: (() => unknown)[] = [];
/** Before each test of the groups that they stand in. */
const beforeEachs: { groups: string[]; fn: () => unknown }[] = [];
let left = 0;
let begun = false;

function add(name: string, fn: () => unknown, ignore = false): void {
  const groups = [...scope];
  left++;
  register({
    name: [...groups, name].join(" > "),
    ignore,
    // isolates and timers outlive single tests on purpose: a file shares them
    sanitizeOps: false,
    sanitizeResources: false,
    sanitizeExit: true,
    fn: async () => {
      if (!begun) {
        begun = true;
        for (const one of befores) await one();
      }
      for (const each of beforeEachs) if (each.groups.every((group, i) => group === groups[i])) await each.fn();
      try {
        await fn();
      } finally {
        if (--left === 0) for (const one of afters) await one();
      }
    },
  });
}

type Body = () => unknown;
/** The third argument is Bun's time-out; Deno's runner has none. */
export const test = Object.assign((name: string, fn: Body, _timeout?: number) => add(name, fn), {
  skip: (name: string, fn: Body) => {
    left--;
    add(name, fn, true);
  },
  skipIf: (condition: boolean) => (name: string, fn: Body, _timeout?: number) => {
    if (condition) left--;
    add(name, fn, condition);
  },
});
export const it = test;

export function describe(name: string, body: () => void): void {
  scope.push(name);
  body();
  scope.pop();
}

export function beforeAll(fn: () => unknown): void {
  befores.push(fn);
}

export function beforeEach(fn: () => unknown): void {
  beforeEachs.push({ groups: [...scope], fn });
}

export function afterAll(fn: () => unknown): void {
  afters.push(fn);
}

export { expect };
