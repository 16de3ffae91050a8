// Keeps values between runs. What is kept is JSON text; counters are plain numbers, so that they can be added to in one act.
import keys from "symphony:host/key-value@0.1.0";
import { boolean, fromUtf8, json, number, operator, text, utf8 } from "symphony";

export const transform = operator((call) => {
  const key = call.input("key");
  const before = keys.get(key) ?? null;
  const given = call.inputs.get("value");
  switch (call.setting("do")) {
    case "set":
      if (given === undefined || given.tag === "bytes" || given.tag === "artifact" || given.tag === "items")
        call.fail("invalid-input", "remember.value", given ? `a value of kind ${given.tag} can't be kept; give text, a number, a truth value or JSON` : "there is nothing to keep", "value");
      keys.set(key, utf8(given.tag === "json" ? given.val : JSON.stringify(given.val ?? null)));
      call.output("value", given);
      break;
    case "delete":
      keys.delete(key);
      if (before) call.output("value", kept(before));
      break;
    case "increment": {
      const by = given === undefined ? 1 : given.val;
      if (!Number.isSafeInteger(by)) call.fail("invalid-input", "remember.increment", `${JSON.stringify(by)} can't be added; expected a whole number`, "value");
      call.output("value", number(keys.increment(key, by)));
      break;
    }
    default:
      if (before) call.output("value", kept(before));
  }
  call.output("found", boolean(before !== null));
});

function kept(bytes) {
  const data = JSON.parse(fromUtf8(bytes));
  if (typeof data === "string") return text(data);
  if (typeof data === "number") return number(data);
  return typeof data === "boolean" ? boolean(data) : json(data);
}
