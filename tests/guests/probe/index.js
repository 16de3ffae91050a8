// Does a list of things, one after the other, and tells for each what came of it: { ok } or { err }.
import artifacts from "symphony:host/artifacts@0.1.0";
import clock from "symphony:host/clock@0.1.0";
import files from "symphony:host/files@0.1.0";
import http from "symphony:host/http@0.1.0";
import keys from "symphony:host/key-value@0.1.0";
import model from "symphony:host/model@0.1.0";
import process from "symphony:host/process@0.1.0";
import random from "symphony:host/random@0.1.0";
import secrets from "symphony:host/secrets@0.1.0";
import { artifact, fromUtf8, json, operator, utf8 } from "symphony";

const NO_OPTIONS = { maxTokens: null, temperature: null, seed: null, stop: [], jsonAnswer: false };
const said = (answer) => ({ text: answer.text, finish: answer.finish, ...answer.usage });
let kept = "";

const WAYS = {
  roots: () => files.roots(),
  entries: (root, path, after = null) => files.entries(root, path, after).map(({ name, kind }) => `${name} ${kind}`),
  read: (root, path, offset = 0, length = 1000) => fromUtf8(files.read(root, path, offset, length)),
  stat: (root, path) => files.stat(root, path),
  create: (root, path, exclusive = false) => files.create(root, path, exclusive),
  write: (root, path, text, offset = null) => files.write(root, path, offset, utf8(text)),
  writeMany: (root, path, size, times) => {
    const piece = new Uint8Array(size);
    for (let i = 0; i < times; i++) files.write(root, path, null, piece);
  },
  createMany: (root, prefix, count) => {
    for (let i = 0; i < count; i++) files.create(root, `${prefix}${i}`, true);
  },
  truncate: (root, path, size) => files.truncate(root, path, size),
  createFolder: (root, path) => files.createFolder(root, path),
  removeFile: (root, path) => files.removeFile(root, path),
  removeFolder: (root, path) => files.removeFolder(root, path),
  rename: (root, from, to) => files.rename(root, from, to),
  touch: (root, path, at) => files.touch(root, path, at, at),
  readMany: (root, count) => {
    let denied = 0;
    for (let i = 0; i < count; i++) {
      try {
        files.read(root, `x${i}`, 0, 1);
      } catch (cause) {
        denied++;
        if (cause.payload.val.kind === "limit") return `limit after ${denied}`;
      }
    }
    return denied;
  },
  http: ({ method = "GET", url, headers = [], body = null, redirects = 5, timeoutMs = 3000, bodyMax = 0 }) => {
    const answer = http.send({
      method,
      url,
      headers: headers.map(([name, value, secret]) => ({ name, value: secret === undefined ? { tag: "text", val: value } : { tag: "secret", val: { prefix: value, name: secret } } })),
      body: body === null ? null : typeof body === "number" ? new Uint8Array(body) : utf8(body),
      redirects,
      timeoutMs,
      bodyMax,
    });
    return { status: answer.status, url: answer.url, headers: Object.fromEntries(answer.headers), body: fromUtf8(answer.body.subarray(0, 4000)), size: answer.body.length };
  },
  chat: (name, text, options = {}) => said(model.chat(name, [{ role: "user", content: text }], { ...NO_OPTIONS, ...options })),
  complete: (name, text) => said(model.complete(name, text, NO_OPTIONS)),
  stream: (name, text) => {
    const reply = model.chatStream(name, [{ role: "user", content: text }], NO_OPTIONS);
    const pieces = [];
    for (let piece = reply.next(); piece !== null && piece !== undefined; piece = reply.next()) pieces.push(piece);
    return { pieces, ...said(reply.answer()) };
  },
  streamSome: (name, text) => {
    const reply = model.chatStream(name, [{ role: "user", content: text }], NO_OPTIONS);
    reply.next();
    return "dropped";
  },
  embed: (name, texts) => model.embed(name, texts).vectors.map((vector) => Array.from(vector)),
  get: (key) => {
    const value = keys.get(key);
    return value === null || value === undefined ? null : fromUtf8(value);
  },
  set: (key, text) => keys.set(key, typeof text === "number" ? new Uint8Array(text) : utf8(text)),
  delete: (key) => keys.delete(key),
  keys: (after = null) => keys.keys(after),
  increment: (key, by) => keys.increment(key, by),
  setMany: (count, size) => {
    const value = new Uint8Array(size);
    for (let i = 0; i < count; i++) keys.set(`k${i}`, value);
  },
  sign: (name, text) => Array.from(secrets.sign(name, utf8(text))).length,
  run: (command, words, input = "") => {
    const { code, output, errors } = process.run(command, words, utf8(input));
    return { code, output: fromUtf8(output), errors: fromUtf8(errors) };
  },
  start: (command, words, input, times = 1) => {
    const child = process.start(command, words);
    let out = "";
    for (let i = 0; i < times; i++) {
      child.write(utf8(input));
      const piece = child.read(2000);
      if (piece) out += fromUtf8(piece);
    }
    child.endInput();
    for (let piece = child.read(2000); piece && piece.length > 0; piece = child.read(2000)) out += fromUtf8(piece);
    child.kill();
    return out;
  },
  startMany: (command, words, count) => {
    const children = [];
    for (let i = 0; i < count; i++) children.push(process.start(command, words));
    return children.length;
  },
  now: () => clock.now() > 1e12 && clock.monotonic() >= 0,
  sleep: (ms) => clock.sleep(ms),
  random: (length) => random.bytes(length).length,
  readArtifact: (id) => fromUtf8(artifacts.read(id, 0, 1000)),
  remember: (text) => {
    kept = text;
  },
  recall: () => kept,
};

export const transform = operator((call) => {
  const did = [];
  for (const [way, ...args] of call.input("do")) {
    if (way === "store") {
      const writer = new artifacts.Writer("text/plain");
      try {
        writer.append(utf8(args[0]));
        const made = writer.finish();
        call.output("made", artifact(made.id, made.size, made.mediaType));
        did.push({ ok: made.id });
      } catch (cause) {
        did.push({ err: faultOf(cause) });
      }
      continue;
    }
    if (way === "log") {
      call.log(args[0]);
      did.push({ ok: null });
      continue;
    }
    if (way === "fail") call.fail("internal", "probe.fail", args[0]);
    try {
      did.push({ ok: WAYS[way](...args) ?? null });
    } catch (cause) {
      if (!cause?.payload) throw cause;
      did.push({ err: faultOf(cause) });
    }
  }
  call.output("did", json(did));
});

function faultOf({ payload }) {
  const fault = payload.tag === "transient" ? payload.val.fault : payload.val;
  return { kind: fault.kind, code: fault.code, message: fault.message, ...(payload.tag === "transient" ? { retryAfterMs: payload.val.retryAfterMs } : {}) };
}
