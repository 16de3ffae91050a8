// One HTTP request. Leaves out who may be asked, which the host decides.
import http from "symphony:host/http@0.1.0";
import { bytes, fromUtf8, json, number, operator, text, utf8 } from "symphony";

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]*\+)?json\b/;
const TEXT_TYPE = /^(?:text\/|application\/(?:xml|javascript|x-www-form-urlencoded|yaml|toml)\b|application\/[a-z0-9.+-]*\+(?:xml|yaml)\b)/;
const BYTES_MAX = 1024 * 1024;

export const transform = operator((call) => {
  const headers = [];
  for (const [name, value] of Object.entries(call.setting("headers") ?? {})) headers.push({ name: name.toLowerCase(), value: { tag: "text", val: String(value) } });
  const secret = call.setting("secret");
  if (secret) headers.push({ name: call.setting("secretHeader").toLowerCase(), value: { tag: "secret", val: { prefix: call.setting("secretPrefix"), name: secret } } });
  const { content, type } = bodyOf(call.inputs.get("body"));
  if (type && !headers.some(({ name }) => name === "content-type")) headers.push({ name: "content-type", value: { tag: "text", val: type } });
  const answer = http.send({
    method: call.setting("method"),
    url: call.input("url"),
    headers,
    body: content,
    timeoutMs: call.setting("timeoutMs"),
    redirects: call.setting("redirects"),
    bodyMax: 0,
  });
  const { status } = answer;
  const given = {};
  for (const [name, value] of answer.headers) given[name] = name in given ? [].concat(given[name], value) : value;
  const failsFrom = { never: 1000, "5xx": 500, "4xx": 400 }[call.setting("failOn")];
  if (status >= failsFrom) {
    const message = `the server answered with ${status}: ${fromUtf8(answer.body.subarray(0, 300)).trim() || "nothing more"}`;
    if (status === 408 || status === 429 || status >= 500) call.failForNow("unavailable", `http.${status}`, message, waitOf(given["retry-after"]));
    call.fail(status === 404 || status === 410 ? "not-found" : status === 401 || status === 403 ? "denied" : "invalid-input", `http.${status}`, message);
  }
  call.output("status", number(status));
  call.output("headers", json(given));
  call.output("url", text(answer.url));
  give(call, String(given["content-type"] ?? "").toLowerCase(), answer.body);
});

function bodyOf(value) {
  if (value === undefined || value.tag === "null") return { content: null, type: undefined };
  if (value.tag === "text") return { content: utf8(value.val), type: "text/plain; charset=utf-8" };
  if (value.tag === "bytes") return { content: value.val.data, type: value.val.mediaType };
  return { content: utf8(value.tag === "json" ? value.val : JSON.stringify(value.val)), type: "application/json" };
}

function give(call, type, body) {
  if (JSON_TYPE.test(type)) {
    const said = fromUtf8(body);
    let data;
    try {
      data = JSON.parse(said);
    } catch {
      call.fail("unavailable", "http.not-json", `the server says that its answer is JSON, and it isn't: ${JSON.stringify(said.slice(0, 80))}`);
    }
    call.output("json", json(data));
    call.output("text", text(said));
  } else if (TEXT_TYPE.test(type) || (type === "" && body.length === 0)) call.output("text", text(fromUtf8(body)));
  else if (body.length <= BYTES_MAX) call.output("bytes", bytes(/^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+/.exec(type)?.[0] ?? "application/octet-stream", body));
  else call.fail("limit", "http.too-large", `the answer has ${body.length} bytes, at most ${BYTES_MAX} can be given as bytes`);
}

/** Milliseconds of a Retry-After in seconds. */
function waitOf(header) {
  return /^\d{1,5}$/.test(header ?? "") ? Number(header) * 1000 : 0;
}
