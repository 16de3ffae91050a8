// The settings of an extension for who draws a form, and for who checks or completes JSON: a description of fields, and a JSON
// Schema. Both are plain data. Pure.
import { spellPortType, valueToJson } from "../../value.ts";
import type { Manifest, SettingSpec } from "./manifest.ts";

/** How a field is shown. `secret`: a choice among the names of kept secrets, never a value. */
export type FieldControl = "text" | "lines" | "number" | "slider" | "switch" | "choice" | "secret" | "json";

export interface FormField {
  name: string;
  label: string;
  help: string;
  control: FieldControl;
  required: boolean;
  /** In JSON. */
  default?: unknown;
  choices?: readonly (string | number)[];
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  /** In RE2's syntax, for the whole text. */
  pattern?: string;
  lines?: number;
}

export interface FormGroup {
  /** "" for fields without a group, which come first. */
  title: string;
  fields: FormField[];
}

/** A form's groups and fields, in the order of the manifest. */
export function settingsForm({ settings }: Pick<Manifest, "settings">): FormGroup[] {
  const groups = new Map<string, FormField[]>([["", []]]);
  for (const spec of settings.values()) {
    const group = groups.get(spec.group ?? "");
    const field = formField(spec);
    if (group) group.push(field);
    else groups.set(spec.group ?? "", [field]);
  }
  return [...groups].filter(([, fields]) => fields.length > 0).map(([title, fields]) => ({ title, fields }));
}

function formField(spec: SettingSpec): FormField {
  const { name, title, description, required, options, min, max, minLength, maxLength, pattern, lines } = spec;
  return {
    name,
    label: title ?? name,
    help: description,
    control: controlOf(spec),
    required,
    ...given({ default: spec.default && valueToJson(spec.default), choices: options, min, max, minLength, maxLength, pattern, lines }),
  };
}

function controlOf({ type: { item, list }, secret, options, min, max, lines }: SettingSpec): FieldControl {
  if (secret) return "secret";
  if (list) return "json";
  if (options) return "choice";
  if (item === "boolean") return "switch";
  // a slider over a range that a hand can hit
  if (item === "number") return min !== undefined && max !== undefined && max - min <= 1000 ? "slider" : "number";
  if (item === "text") return lines !== undefined && lines > 1 ? "lines" : "text";
  return "json";
}

function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** JSON Schema (2020-12) of the settings as a melody's node gives them. */
export function settingsJsonSchema({ id, title, settings }: Pick<Manifest, "id" | "title" | "settings">): object {
  const required = [...settings.values()].filter((spec) => spec.required).map(({ name }) => name);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `Settings of ${title}`,
    $id: `${id}.settings.schema.json`,
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries([...settings.values()].map((spec) => [spec.name, settingSchema(spec)])),
    ...(required.length ? { required } : {}),
  };
}

const ITEM_SCHEMA: Readonly<Record<string, object>> = {
  boolean: { type: "boolean" },
  number: { type: "number" },
  text: { type: "string" },
};

function settingSchema(spec: SettingSpec): object {
  const { type, title, description, secret, options, min, max, minLength, maxLength, pattern } = spec;
  const item = ITEM_SCHEMA[type.item] ?? {};
  return {
    ...(type.list ? { type: "array", items: item } : item),
    ...given({
      title,
      description: description || undefined,
      default: spec.default && valueToJson(spec.default),
      enum: options,
      minimum: min,
      maximum: max,
      minLength,
      maxLength,
      pattern: pattern === undefined ? undefined : `^(?:${pattern})$`,
    }),
    ...(secret ? { "x-secret": true } : {}),
    ...(ITEM_SCHEMA[type.item] ? {} : { "x-type": spellPortType(type) }),
  };
}
