// Evaluates a JMESPath expression over JSON. The language and its functions are the package's; here are the ports and
// what its errors mean.
import { compile, registerFunction, search, TreeInterpreter, TYPE_ANY, TYPE_ARRAY, TYPE_ARRAY_NUMBER, TYPE_ARRAY_STRING, TYPE_EXPREF } from "@jmespath-community/jmespath";
import { items, json, operator } from "symphony";

export const transform = operator((call) => {
  const expression = call.setting("expression");
  const port = call.inputs.has("data") ? "data" : "items";
  if (!call.inputs.has(port)) call.fail("invalid-input", "json-transform.nothing", "Neither data nor items is fed; connect one of them.", "data");

  const unreadable = syntaxFault(expression);
  if (unreadable) call.fail("invalid-settings", "json-transform.syntax", `Cannot read the expression ${quoted(expression)}: ${unreadable}.`, "expression");
  const data = call.input(port);
  let found = null;
  try {
    found = search(data, expression) ?? null;
  } catch (cause) {
    if (cause.name === "InternalError") throw cause;
    if (cause.message.startsWith("Invalid type")) call.fail("invalid-input", "json-transform.type", `Cannot evaluate ${quoted(expression)} over ${port}: ${reason(cause)}.`, port);
    // a function that doesn't exist, or has another number of arguments, is found only now
    call.fail("invalid-settings", "json-transform.expression", `Cannot evaluate ${quoted(expression)}: ${reason(cause)}.`, "expression");
  }
  call.output("result", json(found));
  if (Array.isArray(found)) call.output("items", items(found.map(json)));
});

// The package finds what every JavaScript object inherits; data has only its own names.
const interpreter = Object.getPrototypeOf(TreeInterpreter);
const visit = interpreter.visit;
interpreter.visit = function (node, value) {
  if (node.type === "Field" && typeof value === "object" && value !== null && !Object.hasOwn(value, node.name)) return null;
  return visit.call(this, node, value);
};

// The package sorts numbers as texts, and takes "" and "0x10" for numbers.
registerFunction("sort", ([list]) => [...list].sort(typeof list[0] === "number" ? (x, y) => x - y : byCodePoint), [{ types: [TYPE_ARRAY_NUMBER, TYPE_ARRAY_STRING] }], { override: true });
registerFunction("to_number", ([value]) => (typeof value === "number" ? value : typeof value === "string" && NUMBER.test(value) ? Number(value) : null), [{ types: [TYPE_ANY] }], { override: true });

// It also begins a maximum of texts at -Infinity, and loses a record that is 0, "" or false.
const extreme = (better) => ([list, expression]) => {
  let best = null;
  let bestKey;
  for (const record of list) {
    const key = TreeInterpreter.visit(expression, record);
    if (typeof key !== "number" && typeof key !== "string") throw new Error(`Invalid type: expected a number or a text to compare by, received ${key === null ? "null" : typeof key}`);
    if (bestKey !== undefined && typeof key !== typeof bestKey) throw new Error("Invalid type: numbers and texts can't be compared with each other");
    if (bestKey === undefined || better(typeof key === "number" ? key - bestKey : byCodePoint(key, bestKey))) {
      best = record;
      bestKey = key;
    }
  }
  return best;
};
registerFunction("max_by", extreme((order) => order > 0), [{ types: [TYPE_ARRAY] }, { types: [TYPE_EXPREF] }], { override: true });
registerFunction("min_by", extreme((order) => order < 0), [{ types: [TYPE_ARRAY] }, { types: [TYPE_EXPREF] }], { override: true });

/** A number as JSON writes it. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

function byCodePoint(x, y) {
  const [left, right] = [[...x], [...y]];
  for (let i = 0; i < left.length && i < right.length; i++) if (left[i] !== right[i]) return left[i].codePointAt(0) - right[i].codePointAt(0);
  return left.length - right.length;
}

/** Why an expression can't be read, or undefined. */
function syntaxFault(expression) {
  const open = openQuote(expression);
  if (open >= 0) return `the ${expression[open]} at character ${open + 1} is not closed`;
  // a name that JavaScript takes for something else, in an object as in an expression
  if (expression.includes("__proto__")) return '"__proto__" can\'t be asked for';
  try {
    compile(expression);
    return undefined;
  } catch (cause) {
    if (cause.name === "InternalError") return "it is nested too deep";
    return reason(cause);
  }
}

function openQuote(expression) {
  let open = -1;
  for (let i = 0; i < expression.length; i++) {
    if (open >= 0 && expression[i] === "\\") i++;
    else if (open >= 0 && expression[i] === expression[open]) open = -1;
    else if (open < 0 && "'\"`".includes(expression[i])) open = i;
  }
  return open;
}

/** The package's own message, without the full stop behind. */
function reason({ message }) {
  return message.replace(/\.$/, "");
}

function quoted(text) {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
