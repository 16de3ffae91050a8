// One node of the file as a node of the plan: its ports, settings, constants and rules. Pure.
import { type Manifest, settingFault, type SettingSpec } from "../extension/manifest/manifest.ts";
import { narrowingFaults } from "../extension/permission/narrowing.ts";
import { parseRight, type Right } from "../extension/permission/right.ts";
import { spellValue } from "../schema.ts";
import { type Entry, type PortType, spellJsonForm, spellPortType, type Value, valueFromJson } from "../value.ts";
import { type Condition, compileCondition } from "./condition.ts";
import type { MelodyNode, RetryRule } from "./melody.ts";
import type { Context, PlanNode, RetryPlan } from "./plan.ts";
import { ANY } from "./plan-port.ts";

const NO_RETRY: RetryPlan = { attempts: 1, delayMs: 200, factor: 2, maxDelayMs: 30_000 };

/** `path` gives the node's place in the file; `inherited` is the melody's rule for failures. */
export function planNode(file: MelodyNode, path: () => string, context: Context, inherited: "stop" | "continue"): PlanNode {
  const node: PlanNode = {
    id: file.id,
    title: file.title ?? file.id,
    work: { does: "delay", delayMs: 0 },
    inputs: [],
    outputs: [],
    constants: [],
    presets: [],
    timeoutMs: file.timeoutMs,
    retry: NO_RETRY,
    onFailure: file.onFailure ?? inherited,
    fallback: -1,
    isFallback: false,
    unknown: false,
  };
  const fault = (at: string, message: string): void => void context.faults.push({ path: `${path()}.${at}`, message });
  if (file.kind === "control") planControl(file, node, path, context, inherited);
  else {
    const manifest = context.catalogue.get(file.uses);
    if (!manifest) fault("uses", `no extension ${JSON.stringify(file.uses)} is installed${context.near(file.uses, context.catalogue.ids())}; \`symphony ext list\` shows what is`);
    else if (manifest.kind !== file.kind) fault("kind", `${JSON.stringify(file.kind)} stands here, but ${file.uses} is an ${manifest.kind}`);
    if (file.retry) node.retry = retryPlan(file.retry);
    if (manifest) {
      node.work = {
        does: "call",
        manifest,
        settings: planSettings(file.settings ?? {}, manifest, context, fault),
        rights: file.rights && planRights(file.rights, manifest, fault),
      };
      for (const { name, type, required, default: preset } of manifest.inputs.values()) {
        node.inputs.push({ name, type, required, fed: false });
        node.constants.push(undefined);
        node.presets.push(preset);
      }
      for (const { name, type, required } of manifest.outputs.values()) node.outputs.push({ name, type, required });
    } else {
      // its ports can't be known, so only its name is reported
      node.unknown = true;
    }
  }
  for (const [name, json] of Object.entries(file.inputs ?? {})) {
    const slot = node.inputs.findIndex((port) => port.name === name);
    const port = node.inputs[slot];
    if (!port) {
      if (file.kind === "control" || context.catalogue.get(file.uses))
        fault(
          `inputs.${name}`,
          `${file.id} has no input port ${JSON.stringify(name)}${
            context.near(
              name,
              node.inputs.map((one) => one.name),
            ) || `; it has ${node.inputs.map((one) => one.name).join(", ") || "none"}`
          }`,
        );
      continue;
    }
    const value = valueFromJson(json, port.type);
    if (port.type.item === "folder") fault(`inputs.${name}`, `a folder can't be named in a node: a person grants it; declare an input of type folder and add an edge from it`);
    else if (value && holdsArtifact(value)) fault(`inputs.${name}`, "an artifact can't be written into a melody; make it an input, which a person gives");
    else if (value) node.constants[slot] = value;
    else fault(`inputs.${name}`, `${spellValue(json)} is not of type ${spellPortType(port.type)}; expected ${spellJsonForm(port.type)}`);
  }
  return node;
}

/** Whether a value holds an artifact, which only a person may give. */
export function holdsArtifact(value: Value): boolean {
  return value.tag === "artifact" || (value.tag === "items" && value.val.some(({ tag }) => tag === "artifact"));
}

function retryPlan({ attempts, delayMs = NO_RETRY.delayMs, factor = NO_RETRY.factor, maxDelayMs = NO_RETRY.maxDelayMs }: RetryRule): RetryPlan {
  return { attempts, delayMs, factor, maxDelayMs };
}

function planSettings(given: Record<string, unknown>, manifest: Manifest, { near }: Context, fault: (at: string, message: string) => void): Entry[] {
  const settings: Entry[] = [];
  for (const name of Object.keys(given))
    if (!manifest.settings.has(name))
      fault(
        `settings.${name}`,
        `${manifest.id} has no setting ${JSON.stringify(name)}${near(name, manifest.settings.keys()) || `; it has ${[...manifest.settings.keys()].join(", ") || "none"}`}`,
      );
  const specs: SettingSpec[] = [...manifest.settings.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const spec of specs) {
    const json = Object.hasOwn(given, spec.name) ? given[spec.name] : undefined;
    if (json === undefined) {
      if (spec.default !== undefined) settings.push({ name: spec.name, value: spec.default });
      else if (spec.required) fault(`settings.${spec.name}`, `it is missing; expected ${spellJsonForm(spec.type)}${spec.description ? `: ${spec.description}` : ""}`);
      continue;
    }
    const value = valueFromJson(json, spec.type);
    const why = value ? settingFault(json, spec) : `${spellValue(json)} is not of type ${spellPortType(spec.type)}; expected ${spellJsonForm(spec.type)}`;
    if (why) fault(`settings.${spec.name}`, why);
    else if (value) settings.push({ name: spec.name, value });
  }
  return settings;
}

/** What a node leaves of what its extension asks for. */
function planRights(given: readonly string[], manifest: Manifest, fault: (at: string, message: string) => void): Right[] {
  const faults = narrowingFaults(given, manifest, manifest.id);
  for (const { index, message } of faults) fault(`rights[${index}]`, message);
  return given.flatMap((text, i) => (faults.some(({ index }) => index === i) ? [] : [parseRight(text)]));
}

/** The ports that edges feed are what a branch's conditions may speak of. */
export function compileCases(file: MelodyNode, node: PlanNode, cases: { name: string; condition: Condition }[], fault: (at: string, message: string) => void): void {
  if (file.kind !== "control" || file.control !== "branch") return;
  const variables = node.inputs.map(({ name }) => name);
  for (const [index, { name, when }] of file.cases.entries()) {
    const compiled = compileCondition(when, variables);
    if ("fault" in compiled) fault(`cases[${index}].when`, compiled.fault);
    else cases.push({ name, condition: compiled });
  }
}

type ControlFile = Extract<MelodyNode, { kind: "control" }>;

function planControl(file: ControlFile, node: PlanNode, path: () => string, context: Context, inherited: "stop" | "continue"): void {
  const fault = (at: string, message: string): void => void context.faults.push({ path: `${path()}.${at}`, message });
  const input = (name: string, type: PortType, required: boolean): void => {
    node.inputs.push({ name, type, required, fed: false });
    node.constants.push(undefined);
    node.presets.push(undefined);
  };
  switch (file.control) {
    case "branch": {
      input("value", ANY, true);
      const names = new Set(["otherwise"]);
      for (const [index, one] of file.cases.entries()) {
        if (names.has(one.name))
          fault(
            `cases[${index}].name`,
            one.name === "otherwise" ? `"otherwise" is the port for when no case holds; choose another name` : `the case ${JSON.stringify(one.name)} stands twice`,
          );
        names.add(one.name);
      }
      node.work = { does: "branch", cases: [] };
      for (const name of [...file.cases.map((one) => one.name), "otherwise"]) node.outputs.push({ name, type: ANY, required: false });
      return;
    }
    case "map":
    case "melody": {
      const body = context.planBody(file.body, `${path()}.body.`, context, inherited);
      const isMap = file.control === "map";
      const over = isMap ? (file.over ?? "item") : "";
      if (isMap) {
        const item = body.inputs.find(({ name }) => name === over);
        if (!item && !context.levels.get(`${path()}.body.`)?.lacksPorts)
          fault(
            "body.inputs",
            `there is no input ${JSON.stringify(over)} to get one item${context.near(
              over,
              body.inputs.map(({ name }) => name),
            )}; declare it, or name another under "over"`,
          );
        else if (item?.type.list) fault(`body.inputs.${over}.type`, `${spellPortType(item.type)} stands here; an item is a single value`);
        input("items", { item: item?.type.item ?? "any", list: true }, true);
      }
      for (const port of body.inputs) {
        if (isMap && port.name === "index" && (port.type.item !== "number" || port.type.list))
          fault("body.inputs.index.type", `${spellPortType(port.type)} stands here; a map gives each item its number, so expected number`);
        if (isMap && (port.name === over || port.name === "index")) continue;
        if (isMap && port.name === "items") fault("body.inputs.items", `"items" is the map's own port; choose another name`);
        input(port.name, port.type, port.required);
        if (port.default !== undefined) node.presets[node.presets.length - 1] = valueFromJson(port.default, port.type);
      }
      for (const port of body.outputs) {
        if (isMap && port.type.list)
          fault(
            `body.outputs.${port.name}.type`,
            `${spellPortType(port.type)} stands here; a map gathers single values into lists, and there are no lists of lists; make it json first`,
          );
        // an item that doesn't give an optional output stands as null, so that all lists go together
        node.outputs.push({ name: port.name, type: { item: isMap && !port.required ? "any" : port.type.item, list: isMap || port.type.list }, required: isMap || port.required });
      }
      node.work = file.control === "map" ? { does: "map", over, concurrency: file.concurrency ?? 4, skipFailed: file.onItemFailure === "skip", body } : { does: "melody", body };
      return;
    }
    case "merge":
      node.work = { does: "merge", mode: file.mode };
      node.outputs.push({ name: "value", type: ANY, required: true });
      return;
    case "delay":
      node.work = { does: "delay", delayMs: file.delayMs };
      break;
    case "approve":
      node.work = { does: "approve", prompt: file.prompt ?? "" };
      break;
  }
  input("value", ANY, false);
  node.outputs.push({ name: "value", type: ANY, required: false });
}
