// Evaluates a JMESPath expression over JSON. The language and its functions are the package's; here are the ports and
// what its errors mean.
import jmespath from "jmespath";
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
    found = jmespath.search(data, expression) ?? null;
  } catch (cause) {
    if (cause.name === "InternalError") throw cause;
    if (cause.message.startsWith("TypeError")) call.fail("invalid-input", "json-transform.type", `Cannot evaluate ${quoted(expression)} over ${port}: ${reason(cause)}.`, port);
    // a function that doesn't exist, or has another number of arguments, is found only now
    call.fail("invalid-settings", "json-transform.expression", `Cannot evaluate ${quoted(expression)}: ${reason(cause)}.`, "expression");
  }
  call.output("result", json(found));
  if (Array.isArray(found)) call.output("items", items(found.map(json)));
});

/** Why an expression can't be read, or undefined. The package passes over a quote that isn't closed and a missing name. */
function syntaxFault(expression) {
  const open = openQuote(expression);
  if (open >= 0) return `the ${expression[open]} at character ${open + 1} is not closed`;
  try {
    return isWhole(jmespath.compile(expression)) ? undefined : "a name is missing beside a point";
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

/** Whether no part is missing in what an expression was compiled to. */
function isWhole(node) {
  if (node === undefined || node === null) return false;
  if (node.type === "Slice" || node.type === "Literal") return true;
  return (node.children ?? []).every(isWhole) && (node.type !== "KeyValuePair" || isWhole(node.value));
}

/** The package's own message, without the name of a class before it and the full stop behind. */
function reason({ message }) {
  return message.replace(/^(TypeError|ArgumentError|ParserError|LexerError): /, "").replace(/\.$/, "");
}

function quoted(text) {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
