// Hostile and mistaken melodies: every fault is found, together, at its place; nothing crashes or hangs.
import { describe, expect, test } from "bun:test";
import { type Catalogue, type Manifest, parseManifest, planMelody, readMelody, type Value } from "../mod.ts";
import { compileCondition } from "./condition.ts";
import { melodySchema, plainEdges } from "./melody.ts";

const UPPER = parseManifest(
  `id = "upper"
version = "1.0.0"
kind = "operator"
[inputs.text]
type = "text"
[inputs.limit]
type = "number"
required = false
[outputs.text]
type = "text"
[outputs.words]
type = "list<text>"
[settings.style]
type = "text"
default = "plain"
options = ["plain", "loud"]
[settings.size]
type = "number"
min = 1
max = 10
`,
  "upper",
);
const MODEL = parseManifest(
  `id = "model"
version = "1.0.0"
kind = "instrument"
[inputs.text]
type = "text"
[outputs.answer]
type = "json"
[settings.prompt]
type = "text"
required = true
`,
  "model",
);
const manifests = new Map<string, Manifest>([UPPER, MODEL].map((manifest) => [manifest.id, manifest]));
const catalogue: Catalogue = { get: (id) => manifests.get(id), ids: () => manifests.keys() };

const upper = (id: string, more: object = {}) => ({ id, kind: "operator", uses: "upper", ...more });
const merge = (id: string, mode = "list") => ({ id, kind: "control", control: "merge", mode });
const base = { symphony: 1, id: "m", inputs: { text: { type: "text" } } };

function faultsOf(file: unknown): string[] {
  const read = readMelody(typeof file === "string" ? file : JSON.stringify(file));
  const faults = [...read.faults];
  if (read.melody) faults.push(...planMelody(read.melody, catalogue, read).faults);
  return faults.map(({ path, message }) => `${path}: ${message}`);
}

const fed = [{ from: "inputs.text", to: "a.text" }];
const body = {
  inputs: { item: { type: "text" } },
  outputs: { text: { type: "text" } },
  nodes: [upper("u")],
  edges: [
    { from: "inputs.item", to: "u.text" },
    { from: "u.text", to: "outputs.text" },
  ],
};

/** Name, file, and a part that one of the faults must hold. */
const HOSTILE: [string, unknown, string][] = [
  ["nothing", "", ": it is not JSON"],
  ["half a file", '{"symphony": 1, "nodes": [', ": it is not JSON"],
  ["another kind of JSON", "[]", "expected an object"],
  ["null", "null", "expected an object"],
  ["brackets a million deep", "[".repeat(1_000_000), "brackets nest deeper than 128"],
  ["objects a million deep", '{"a":'.repeat(1_000_000), "brackets nest deeper than 128"],
  ["bodies 200 deep", '{"symphony":1,"id":"m","nodes":['.repeat(200), "brackets nest deeper than 128"],
  ["a later version", { ...base, symphony: 2, nodes: [] }, "symphony: 2 stands here, expected 1"],
  ["no version", { id: "m", nodes: [] }, "symphony:"],
  ["no id", { symphony: 1, nodes: [] }, "id: it is missing"],
  ["an id with a path", { ...base, id: "../x", nodes: [] }, 'id: "../x" stands here'],
  ["an id of 129 letters", { ...base, id: "a".repeat(129), nodes: [] }, "id:"],
  ["an empty id", { ...base, nodes: [upper("")], edges: [] }, "nodes[0].id"],
  ["an id with look-alike letters", { ...base, nodes: [upper("раth")], edges: [] }, "nodes[0].id"],
  ["an unknown key", { ...base, nodes: [upper("a", { setings: {} })], edges: fed }, 'nodes[0].setings: "setings" is no key here'],
  ["an unknown key at the top", { ...base, node: [], nodes: [] }, '"node" is no key here (did you mean "nodes"'],
  ["nodes that are no list", { ...base, nodes: {} }, "nodes: {} stands here, expected an array"],
  ["a node that is null", { ...base, nodes: [null] }, "nodes[0]"],
  [
    "an unknown kind",
    { ...base, nodes: [{ id: "a", kind: "operater", uses: "upper" }] },
    'nodes[0].kind: "operater" stands here, expected one of "operator", "instrument", "control"',
  ],
  ["an unknown control", { ...base, nodes: [{ id: "a", kind: "control", control: "loop" }] }, 'nodes[0].control: "loop" stands here'],
  ["an unknown extension", { ...base, nodes: [{ id: "a", kind: "operator", uses: "uper" }], edges: [] }, 'nodes[0].uses: no extension "uper" is installed (did you mean "upper"?)'],
  ["an extension of the other kind", { ...base, nodes: [{ id: "a", kind: "instrument", uses: "upper" }], edges: fed }, "upper is an operator"],
  ["an edge from nowhere", { ...base, nodes: [upper("a")], edges: [{ from: "b.text", to: "a.text" }] }, 'edges[0].from: there is no node "b"'],
  ["an edge to nowhere", { ...base, nodes: [upper("abc")], edges: [{ from: "inputs.text", to: "abd.text" }] }, 'there is no node "abd" (did you mean "abc"?)'],
  ["an unknown input of the melody", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.txt", to: "a.text" }] }, 'the melody has no input "txt" (did you mean "text"?)'],
  ["an unknown output of the melody", { ...base, nodes: [upper("a")], edges: [...fed, { from: "a.text", to: "outputs.x" }] }, 'the melody has no output "x"'],
  ["an unknown input port", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.test" }] }, 'a has no input port "test" (did you mean "text"?)'],
  [
    "an unknown output port",
    { ...base, nodes: [upper("a"), upper("b")], edges: [...fed, { from: "a.word", to: "b.text" }] },
    'a has no output port "word" (did you mean "words"?)',
  ],
  [
    "a list into a single",
    { ...base, nodes: [upper("a"), upper("b")], edges: [...fed, { from: "a.words", to: "b.text" }] },
    "a.words gives list<text>, b.text takes text; a map takes a list apart",
  ],
  ["text into a number", { ...base, nodes: [upper("a")], edges: [...fed, { from: "inputs.text", to: "a.limit" }] }, "inputs.text gives text, a.limit takes number"],
  [
    "a type mismatch through a branch",
    {
      ...base,
      nodes: [{ id: "b", kind: "control", control: "branch", cases: [{ name: "x", when: "true" }] }, upper("a")],
      edges: [{ from: "inputs.text", to: "b.value" }, ...fed, { from: "b.x", to: "a.limit" }],
    },
    "b.x gives text, a.limit takes number",
  ],
  ["a port fed twice", { ...base, nodes: [upper("a")], edges: [...fed, ...fed] }, "a.text is fed twice"],
  [
    "a missing input",
    { ...base, nodes: [upper("a")], edges: [{ from: "a.text", to: "outputs.t" }], outputs: { t: { type: "text" } } },
    "nothing feeds the input a.text (text), which is required",
  ],
  ["an output that nothing feeds", { ...base, nodes: [upper("a")], edges: fed, outputs: { t: { type: "text" } } }, "outputs.t: nothing feeds this output"],
  ["an orphan", { ...base, nodes: [upper("a"), upper("b", { inputs: { text: "x" } })], edges: fed }, "nodes[1]: b is an orphan"],
  ["the same id twice", { ...base, nodes: [upper("a"), upper("a")], edges: fed }, 'nodes[1].id: the id "a" is already that of nodes[0]'],
  ["a reserved id", { ...base, nodes: [upper("inputs")], edges: [] }, '"inputs" is reserved'],
  [
    "a node that depends on itself",
    {
      ...base,
      nodes: [merge("a")],
      edges: [
        { from: "inputs.text", to: "a.x" },
        { from: "a.value", to: "a.y" },
      ],
    },
    "a depends on itself",
  ],
  [
    "a cycle of three, named whole",
    {
      ...base,
      nodes: [merge("a"), merge("b"), merge("c")],
      edges: [
        { from: "a.value", to: "b.x" },
        { from: "b.value", to: "c.x" },
        { from: "c.value", to: "a.x" },
      ],
    },
    "there is a cycle: a -> b -> c -> a",
  ],
  [
    "a cycle of edges that only order",
    { ...base, nodes: [upper("a"), upper("b")], edges: [...fed, { from: "inputs.text", to: "b.text" }, { from: "a", to: "b" }, { from: "b", to: "a" }] },
    "there is a cycle: a -> b -> a",
  ],
  [
    "a cycle of 10 000",
    {
      ...base,
      nodes: Array.from({ length: 10_000 }, (_, i) => merge(`n${i}`)),
      edges: Array.from({ length: 10_000 }, (_, i) => ({ from: `n${i}.value`, to: `n${(i + 1) % 10_000}.x` })),
    },
    "there is a cycle: n0 -> n1",
  ],
  ["a port at one end only", { ...base, nodes: [upper("a"), upper("b")], edges: [...fed, { from: "a", to: "b.text" }] }, "don't go together"],
  ["a conditional edge without a condition", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", kind: "conditional" }] }, '"when" is missing'],
  ["an edge that says the wrong kind", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", kind: "control" }] }, 'expected "data" or nothing'],
  ["a condition that is no CEL", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", when: "value <" }] }, "edges[0].when"],
  [
    "a condition with an unknown name",
    { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", when: "valu == 1" }] },
    "Unknown variable: valu; known are value",
  ],
  [
    "a condition that gives a number",
    { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", when: "1 + 1" }] },
    "expected a condition that is true or false",
  ],
  ["a regular expression that explodes", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", when: "value.matches('(a+)+$')" }] }, "matches() is refused"],
  [
    "macros in macros in macros",
    { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", when: "value.all(x, value.all(y, value.all(z, true)))" }] },
    "nest over two deep",
  ],
  ["a condition of 500 terms", { ...base, nodes: [upper("a")], edges: [{ from: "inputs.text", to: "a.text", when: Array(300).fill("true").join("||") }] }, "edges[0].when"],
  ["a setting that isn't there", { ...base, nodes: [upper("a", { settings: { stile: "loud" } })], edges: fed }, 'upper has no setting "stile" (did you mean "style"?)'],
  ["a setting of the wrong type", { ...base, nodes: [upper("a", { settings: { size: "big" } })], edges: fed }, 'settings.size: "big" is not of type number'],
  ["a setting out of bounds", { ...base, nodes: [upper("a", { settings: { size: 11 } })], edges: fed }, "11 is above 10"],
  ["a setting that is no option", { ...base, nodes: [upper("a", { settings: { style: "lowd" } })], edges: fed }, '"lowd" is not allowed; expected one of "plain", "loud"'],
  ["a missing setting", { ...base, nodes: [{ id: "a", kind: "instrument", uses: "model" }], edges: fed }, "nodes[0].settings.prompt: it is missing"],
  ["an input value of the wrong type", { ...base, nodes: [upper("a", { inputs: { text: 5 } })], edges: [] }, "nodes[0].inputs.text: 5 is not of type text"],
  ["a value and an edge for one port", { ...base, nodes: [upper("a", { inputs: { text: "x" } })], edges: fed }, "has a value here and an edge"],
  ["a default of the wrong type", { ...base, inputs: { n: { type: "number", default: "x" } }, nodes: [] }, 'inputs.n.default: "x" is not of type number'],
  ["a port type that isn't one", { ...base, inputs: { n: { type: "txt" } }, nodes: [] }, '"txt" is no port type'],
  ["a list of lists", { ...base, inputs: { n: { type: "list<list<text>>" } }, nodes: [] }, "is no port type"],
  ["a map without items", { ...base, nodes: [{ id: "m", kind: "control", control: "map", body }], edges: [] }, "nothing feeds the input m.items"],
  ["a map whose body has no item", { ...base, nodes: [{ id: "m", kind: "control", control: "map", over: "file", body }], edges: [] }, 'there is no input "file" to get one item'],
  [
    "a fault inside a body",
    { ...base, nodes: [{ id: "m", kind: "control", control: "map", body: { ...body, nodes: [{ ...upper("u"), uses: "uppr" }] } }], edges: [] },
    "nodes[0].body.nodes[0].uses",
  ],
  [
    "a map that gathers lists",
    {
      ...base,
      nodes: [
        { id: "m", kind: "control", control: "map", body: { ...body, outputs: { text: { type: "list<text>" } }, edges: [body.edges[0], { from: "u.words", to: "outputs.text" }] } },
      ],
      edges: [],
    },
    "there are no lists of lists",
  ],
  ["no concurrency", { ...base, nodes: [{ id: "m", kind: "control", control: "map", concurrency: 0, body }], edges: [] }, "nodes[0].concurrency"],
  [
    "two cases of one name",
    {
      ...base,
      nodes: [
        {
          id: "b",
          kind: "control",
          control: "branch",
          cases: [
            { name: "x", when: "true" },
            { name: "x", when: "true" },
          ],
        },
      ],
      edges: [{ from: "inputs.text", to: "b.value" }],
    },
    'the case "x" stands twice',
  ],
  [
    "a case of a name that isn't fed",
    { ...base, nodes: [{ id: "b", kind: "control", control: "branch", cases: [{ name: "x", when: "binary" }] }], edges: [{ from: "inputs.text", to: "b.value" }] },
    "Unknown variable: binary; known are value",
  ],
  [
    "a merge of nothing",
    {
      ...base,
      nodes: [merge("a"), upper("b")],
      edges: [
        { from: "inputs.text", to: "b.text" },
        { from: "b", to: "a" },
      ],
    },
    "a merges nothing",
  ],
  ["a fallback that isn't there", { ...base, nodes: [upper("a", { onFailure: { fallback: "z" } })], edges: fed }, 'there is no node "z"'],
  [
    "a fallback with edges of its own",
    { ...base, nodes: [upper("a", { onFailure: { fallback: "b" } }), upper("b")], edges: [...fed, { from: "inputs.text", to: "b.text" }] },
    "b has edges of its own",
  ],
  ["a fallback for itself", { ...base, nodes: [upper("a", { onFailure: { fallback: "a" } })], edges: fed }, "a can't stand in for itself"],
  [
    "a fallback that gives something else",
    { ...base, nodes: [upper("a", { onFailure: { fallback: "b" } }), { id: "b", kind: "instrument", uses: "model", settings: { prompt: "x" } }], edges: fed },
    "b doesn't give text",
  ],
  ["21 attempts", { ...base, nodes: [upper("a", { retry: { attempts: 21 } })], edges: fed }, "nodes[0].retry.attempts"],
  ["__proto__ as an id", '{"symphony":1,"id":"m","nodes":[{"id":"__proto__","kind":"operator","uses":"__proto__"}],"edges":[]}', 'nodes[0].id: "__proto__" stands here'],
  ["__proto__ as a key", '{"symphony":1,"id":"m","nodes":[],"__proto__":{"x":1}}', "__proto__"],
  ["__proto__ as a setting", '{"symphony":1,"id":"m","nodes":[{"id":"a","kind":"operator","uses":"upper","settings":{"__proto__":1}}]}', '"__proto__" can\'t be a key'],
  ["__proto__ written with an escape", '{"symphony":1,"id":"m","inputs":{"\\u005f_proto__":{"type":"text"}},"nodes":[]}', '"__proto__" can\'t be a key'],
  ["a list of folders", { ...base, inputs: { f: { type: "list<folder>" } }, nodes: [] }, "list<folder> is no port type"],
  [
    "an artifact written into a melody",
    { ...base, inputs: { f: { type: "artifact", default: { artifact: "a".repeat(64), size: 1, mediaType: "text/plain" } } }, nodes: [] },
    "an artifact can't be written into a melody",
  ],
  [
    "a list and a single value into one merge of the first",
    { ...base, nodes: [upper("a"), merge("m", "first")], edges: [...fed, { from: "a.text", to: "m.x" }, { from: "a.words", to: "m.y" }] },
    "merges single values and lists",
  ],
  [
    "an index that is text",
    { ...base, nodes: [{ id: "m", kind: "control", control: "map", body: { ...body, inputs: { ...body.inputs, index: { type: "text" } } } }], edges: [] },
    "a map gives each item its number, so expected number",
  ],
  ["a lone surrogate", '{"symphony":1,"id":"m","inputs":{"t":{"type":"text","default":"\\ud800"}},"nodes":[]}', "is not of type text"],
  ["constructor as a setting", { ...base, nodes: [upper("a", { settings: { constructor: 1 } })], edges: fed }, 'upper has no setting "constructor"'],
];

describe("hostile melodies", () => {
  for (const [name, file, expected] of HOSTILE)
    test(`${name} is a fault at its place`, () => {
      const faults = faultsOf(file);
      expect(faults.some((fault) => fault.includes(expected)) || faults).toBe(true);
    });
});

test("all faults of a file are told together, those of the schema and those of meaning", () => {
  const faults = faultsOf({
    ...base,
    nodes: [upper("a", { colour: 1 }), { id: "b", kind: "operator", uses: "uper" }, upper("c", { settings: { size: 99 } })],
    edges: [
      { from: "inputs.txt", to: "c.text" },
      { from: "a.text", to: "b.text" },
      { from: "q.text", to: "c.limit", when: "valu" },
    ],
  });
  const places = faults.map((fault) => fault.split(": ")[0]);
  for (const place of ["nodes[0].colour", "nodes[1].uses", "nodes[2].settings.size", "edges[0].from", "edges[2].from"]) expect(places).toContain(place);
  // a node with a fault of its own is not also reported as missing
  expect(faults.some((fault) => fault.includes('no node "a"'))).toBe(false);
});

test("a sound melody has no faults, and its order is the same each time", () => {
  const file = {
    ...base,
    outputs: { t: { type: "list<text>" } },
    nodes: [{ id: "m", kind: "control", control: "map", body }, upper("a")],
    edges: [...fed, { from: "a.words", to: "m.items" }, { from: "m.text", to: "outputs.t" }],
  };
  const read = readMelody(JSON.stringify(file));
  if (!read.melody) throw new Error(JSON.stringify(read.faults));
  const first = planMelody(read.melody, catalogue);
  expect(first.faults).toEqual([]);
  expect([...first.plan.order]).toEqual([1, 0]);
  expect([...planMelody(read.melody, catalogue).plan.order]).toEqual([1, 0]);
});

test("random bytes in place of parts never throw", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const good = JSON.stringify({
    ...base,
    nodes: [{ id: "m", kind: "control", control: "map", body }, upper("a", { retry: { attempts: 2 } })],
    edges: [...fed, { from: "a.words", to: "m.items", when: "size(value) > 0" }],
  });
  const parts = ["null", "{}", "[]", '"x"', "1e999", "-0", '"__proto__"', "true", '{"a":[]}'];
  for (let round = 0; round < 2000; round++) {
    const at = random(good.length);
    const file =
      round % 2 ? good.slice(0, at) + parts[random(parts.length)] + good.slice(at + random(12)) : good.slice(0, at) + String.fromCharCode(random(0x300)) + good.slice(at + 1);
    expect(Array.isArray(faultsOf(file))).toBe(true);
  }
});

test("the quick look at edges takes only what the schema takes, as it stands", () => {
  const parts: unknown[] = ["a.b", "a", "a.b.c", "", "inputs.x", 5, null, "a b", "ä.b", "a".repeat(300), "data", "conditional", "value > 1", "x".repeat(2001), {}, undefined];
  const keys = ["from", "to", "kind", "when", "extra", "from"];
  let seed = 3;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  let plain = 0;
  for (let round = 0; round < 20_000; round++) {
    const edge: Record<string, unknown> = round % 3 ? { from: "a.b", to: "c.d" } : {};
    for (let i = random(3); i > 0; i--) edge[keys[random(keys.length)] as string] = parts[random(parts.length)];
    const file = { symphony: 1, id: "m", nodes: [], edges: [edge] };
    const quick = plainEdges(file);
    if (!quick) continue;
    plain++;
    expect(melodySchema.parse(file).edges).toEqual(quick);
  }
  expect(plain).toBeGreaterThan(2000);
});

test("faults of every level are told together, whatever else is faulty around them", () => {
  const body = (more: object) => ({
    inputs: { item: { type: "text" } },
    nodes: [
      { id: "w", kind: "control", control: "delay", delayms: 1 },
      { id: "v", kind: "operator", uses: "uper" },
    ],
    edges: [{ from: "zz.o", to: "v.text" }],
    ...more,
  });
  const faults = faultsOf({
    symphony: 1,
    coment: "x",
    timeoutMs: "5",
    nodes: [
      { id: "b", kind: "control", control: "merge", mode: "list" },
      { id: "c", kind: "control", control: "merge", mode: "list" },
      { id: "d", kind: "control", control: "merge", mode: "list" },
      { id: "e", kind: "control", control: "merge", mode: "list" },
      { id: "m", kind: "control", control: "map", concurency: 2, body: body({}) },
    ],
    edges: [
      { from: "b.value", to: "c.x" },
      { from: "c.value", to: "b.x" },
      { from: "d.value", to: "e.x" },
      { from: "e.value", to: "d.x" },
      { from: "b.nope", to: "nowhere.x" },
      { from: "b.value", to: "m.items", kindd: 1 },
    ],
    outputs: { u: { type: "txt" }, v: { type: "text" } },
  });
  for (const expected of [
    "id: it is missing",
    'coment: "coment" is no key here',
    'timeoutMs: "5"',
    'nodes[4].concurency: "concurency" is no key here (did you mean "concurrency"?)',
    'nodes[4].body.nodes[0].delayms: "delayms" is no key here (did you mean "delayMs"?)',
    'nodes[4].body.nodes[1].uses: no extension "uper"',
    'nodes[4].body.edges[0].from: there is no node "zz"',
    "b -> c -> b",
    "d -> e -> d",
    'edges[4].to: there is no node "nowhere"',
    'edges[4].from: b has no output port "nope"',
    'edges[5].kindd: "kindd" is no key here (did you mean "kind"?)',
    "outputs.v: nothing feeds this output",
  ])
    expect(faults.some((fault) => fault.includes(expected)) || [expected, ...faults]).toBe(true);
});

test("keys that stand twice, and where a text stops being JSON, are told with their lines", () => {
  expect(faultsOf('{"symphony": 1, "id": "x",\n"nodes": [],\n "nodes": []}')).toEqual(["nodes: this key stands twice, in line 2 and in line 3; leave out one"]);
  expect(faultsOf('{"symphony": 1,\n "id": "x" "nodes": []}')[0]).toContain("line 2, column 12: expected a comma");
  expect(faultsOf("")[0]).toContain("it is empty");
});

test("a number that no double holds is told, not turned into null", () => {
  const faults = faultsOf('{"symphony":1,"id":"x","inputs":{"j":{"type":"json","default":{"a":1e999}}},"nodes":[]}');
  expect(faults.join()).toContain("inputs.j.default");
});

describe("what a condition may cost", () => {
  const text = (length: number) => ({ tag: "text", val: "x".repeat(length) }) as const;
  const texts = (count: number, length: number) => ({ tag: "items", val: Array.from({ length: count }, () => text(length)) }) as const;
  const numbers = (count: number) => ({ tag: "items", val: Array.from({ length: count }, (_, i) => ({ tag: "number", val: i })) }) as never;
  const DEAR: [string, string, Value][] = [
    ["texts that are measured for each pair", "value.exists(x, value.exists(y, size(x) > 100000000 || size(y) > 100000000))", texts(300, 100_000) as never],
    ["texts that are searched for each pair", "value.exists(x, value.exists(y, x.contains(y)))", texts(300, 100_000) as never],
    ["texts that are compared for each pair", "value.exists(x, value.exists(y, x == y + 'a'))", texts(300, 100_000) as never],
    ["lists that are joined", `(${Array(40).fill("value").join("+")}).exists(x, (${Array(40).fill("value").join("+")}).exists(y, x > y + 500.0))`, numbers(150)],
    ["a list that is looked through for each pair", "value.exists(x, value.exists(y, x in value))", numbers(300)],
    ["one long text that is searched for each item", "value.exists(x, string(value).contains(string(x)))", texts(2000, 10_000) as never],
    ["one text that is searched for another of its kind", "value.exists(x, value.exists(y, x.contains(y)))", texts(2, 500_000) as never],
    [
      "objects of many fields that are compared",
      Array(30).fill("value == value").join(" && "),
      { tag: "json", val: JSON.stringify(Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`k${i}`, i]))) } as never,
    ],
    ["what isn't data and stands for it", `[value].exists(v, [${Array.from({ length: 90 }, (_, i) => i).join()}].exists(i, size(v) == 1))`, text(10_000_000) as never],
    ["texts that grow in loops", "[value + value].exists(b, [b + b].exists(c, size(c + c) == 1))", text(300_000) as never],
  ];
  for (const [what, source, value] of DEAR)
    test(`${what} is refused before it begins`, () => {
      const compiled = compileCondition(source, ["value"]);
      if ("fault" in compiled) return expect(compiled.fault).toContain("can't be used");
      const begun = performance.now();
      expect(() => compiled.holds({ value })).toThrow(/may cost/);
      expect(performance.now() - begun).toBeLessThan(5000);
    });
  for (const name of ["split", "join", "matches", "map", "json", "bind", "base64", "getHours", "timestamp", "duration"])
    test(`${name}() is refused`, () => expect(compileCondition(`value.${name}('a') == 'b'`, ["value"])).toMatchObject({ fault: expect.stringContaining(`${name}`) as unknown }));
  test("what people write is allowed", () => {
    const rows = {
      tag: "items",
      val: Array.from({ length: 10_000 }, (_, i) => ({ tag: "json", val: JSON.stringify({ status: i === 9999 ? "open" : "done", note: "x".repeat(500) }) })),
    } as never;
    const held = (source: string, value: Value) => (compileCondition(source, ["value"]) as { holds: (v: object) => boolean }).holds({ value });
    expect(held("value.exists(x, x.status == 'open')", rows)).toBe(true);
    expect(held("value.filter(x, x.status == 'done').size() == 9999", rows)).toBe(true);
    expect(held("size(value) > 1000000 && value.startsWith('x')", text(2_000_000) as never)).toBe(true);
    const tagged = {
      tag: "items",
      val: Array.from({ length: 1300 }, (_, i) => ({ tag: "json", val: JSON.stringify({ tags: ["a", "b", i === 1299 ? "urgent" : "c"] }) })),
    } as never;
    expect(held("value.exists(i, i.tags.exists(t, t == 'urgent'))", tagged)).toBe(true);
    expect(held("value.exists(i, 'urgent' in i.tags)", tagged)).toBe(true);
    expect(held("value.contains('xx') && !value.contains('y')", text(5_000_000) as never)).toBe(true);
    expect(held("value.all(x, x.startsWith('x') && size(x) < 300)", texts(1000, 200) as never)).toBe(true);
  });
});
