// The shapes of extensions as TypeScript, for melodies that are built in code.
import type { Manifest, PortSpec } from "../extension/manifest/manifest.ts";
import { compareUtf8 } from "../order.ts";
import { spellPortType } from "../value.ts";

/** The text of a module that exports the shapes under this name. */
export function spellShapes(manifests: readonly Manifest[], name: string): string {
  const sorted = [...manifests].sort((a, b) => compareUtf8(a.id, b.id));
  const ports = (specs: Iterable<{ name: string; type: PortSpec["type"] }>): object => Object.fromEntries([...specs].map((one) => [one.name, spellPortType(one.type)]));
  const shapes = Object.fromEntries(
    sorted.map(({ id, kind, inputs, outputs, settings }) => {
      const all = [...inputs.values()];
      return [
        id,
        {
          kind,
          inputs: ports(all.filter(({ required }) => required)),
          options: ports(all.filter(({ required }) => !required)),
          outputs: ports(outputs.values()),
          settings: Object.fromEntries([...settings.values()].map(({ name: setting, type, options }) => [setting, options ?? spellPortType(type)])),
        },
      ];
    }),
  );
  return `/** By id: ports that must be fed (inputs), that need not be (options), what is given (outputs), and settings. */\nexport const ${name} = ${JSON.stringify(shapes, null, 2)} as const;\n`;
}
