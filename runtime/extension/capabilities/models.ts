// Language models: requests in OpenAI's protocol to the providers that the home's settings name. The provider's key stays here; what a
// call takes is counted. What a provider does wrong becomes an error that says whether to try again.
import { createParser } from "eventsource-parser";
import { SymphonyError } from "../../error.ts";
import type { HttpAnswer } from "../../platform/platform.ts";
import { tooDeepAt } from "../../json-depth.ts";
import { near } from "../../near.ts";
import type { Scalar } from "../isolate/wire.ts";
import { number, parsed, string } from "./arguments.ts";
import { type CallSecrets, checkSendable } from "./secrets.ts";
import type { Answers, CallRecord, ModelProvider } from "./services.ts";

/** Limits of one call. */
export const MODEL_LIMITS: { readonly requests: number; readonly open: number; readonly promptCharacters: number; readonly texts: number; readonly answerBytes: number } = {
  requests: 1000,
  open: 8,
  promptCharacters: 8 * 1024 * 1024,
  texts: 2048,
  answerBytes: 16 * 1024 * 1024,
};

interface Usage {
  inputTokens: number;
  outputTokens: number;
  cost: number;
}

interface Reply {
  text: string;
  finish: string;
  model: string;
  usage: Usage;
}

interface Open {
  reply: Reply;
  pieces: AsyncGenerator<string>;
  close(): void;
}

interface Provided {
  name: string;
  provider: ModelProvider;
  model: string;
}

export function createModels(record: CallRecord, secrets: CallSecrets): Answers {
  const { guard, services } = record;
  const open = new Map<number, Open>();
  let requests = 0;

  function find(scope: string, name: string): Provided {
    const slash = name.indexOf("/");
    if (slash < 1 || slash === name.length - 1 || name.length > 300 || /[\s\0*]/.test(name))
      throw new SymphonyError("step/input", `Cannot use the model ${JSON.stringify(name.slice(0, 100))}: expected provider/model, for example local/llama3`);
    guard.demand("model", [scope, ...name.split("/")], () => `model:${scope}:${name}`);
    const of = name.slice(0, slash);
    const provider = services.provider(of);
    const known = services.providers();
    if (!provider)
      throw new SymphonyError(
        "model/unknown",
        `Cannot use the model ${name}: no provider ${of} is set up${near(of, known)}; add [models.${of}] with its url to settings.toml in the home`,
      );
    return { name, provider, model: name.slice(slash + 1) };
  }

  async function ask(
    { name, provider, model }: Provided,
    path: string,
    scope: string,
    body: Record<string, unknown>,
  ): Promise<{ answer: HttpAnswer; url: URL; close: () => void; signal: AbortSignal }> {
    if (++requests > MODEL_LIMITS.requests) throw new SymphonyError("run/limit", `Cannot ask models over ${MODEL_LIMITS.requests} times in one call`);
    const url = new URL(`${provider.url.replace(/\/+$/, "")}${path}`);
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ["accept", body["stream"] ? "text/event-stream" : "application/json"],
    ];
    if (provider.key !== undefined) {
      const key = await services.secret(provider.key);
      checkSendable(provider.key, key);
      secrets.note(key);
      headers.push(["authorization", `Bearer ${key}`]);
    }
    const abort = new AbortController();
    const onAbort = (): void => abort.abort(new SymphonyError("run/cancelled", "The call was cancelled"));
    record.signal?.addEventListener("abort", onAbort, { once: true });
    const unhold = guard.hold("model", [scope, ...name.split("/")], () =>
      abort.abort(new SymphonyError("step/denied", `Cannot go on asking ${name}: the right to it was taken back`)),
    );
    const letGo = (): void => {
      unhold();
      record.signal?.removeEventListener("abort", onAbort);
    };
    try {
      const answer = await services.http.open({
        url,
        method: "POST",
        headers,
        body: new TextEncoder().encode(JSON.stringify({ model, ...body })),
        timeoutMs: Math.max(1, record.remainingMs()),
        receivedMax: 4 * MODEL_LIMITS.answerBytes,
        signal: abort.signal,
        // a person named this server
        allows: () => true,
      });
      const close = (): void => {
        letGo();
        answer.close();
      };
      if (answer.status < 200 || answer.status > 299) {
        const why = await errorText(answer).catch(() => "");
        close();
        throw refusal(name, answer, secrets.maskText(why));
      }
      return { answer, url, close, signal: abort.signal };
    } catch (cause) {
      letGo();
      throw abort.signal.aborted ? abort.signal.reason : cause;
    }
  }

  function used({ name, provider, model }: Provided, usage: unknown): Usage {
    const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = (usage ?? {}) as Record<string, unknown>;
    const count = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.min(Math.floor(value), 4_294_967_295) : 0);
    const inputTokens = count(input ?? total);
    const outputTokens = count(output);
    const price = Object.hasOwn(provider.prices, model) ? provider.prices[model] : undefined;
    const cost = price ? (inputTokens * price.input + outputTokens * price.output) / 1_000_000 : 0;
    record.onModel({ model: name, inputTokens, outputTokens, cost });
    return { inputTokens, outputTokens, cost };
  }

  /** Asks for a stream, which also serves who wants the whole: a cut answer is seen, and time is spent while words come. */
  async function begin(scope: "chat" | "complete", provided: Provided, body: Record<string, unknown>): Promise<Open> {
    const { answer, close, signal } = await ask(provided, scope === "chat" ? "/chat/completions" : "/completions", scope, {
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const reply: Reply = { text: "", finish: "", model: provided.model, usage: { inputTokens: 0, outputTokens: 0, cost: 0 } };
    const isStream = answer.headers.some(([name, value]) => name === "content-type" && value.startsWith("text/event-stream"));
    const mask = secrets.createStream();
    let usage: unknown;
    let isCounted = false;
    /** What was said was paid for, however it ends. */
    const count = (): void => {
      if (isCounted) return;
      isCounted = true;
      reply.usage = used(provided, usage);
    };
    async function* pieces(): AsyncGenerator<string> {
      try {
        for await (const chunk of isStream ? events(answer, provided.name) : whole(answer, provided.name)) {
          if (chunk.error !== undefined) throw failed(provided.name, secrets.maskText(spellError(chunk.error)), 0);
          if (typeof chunk.model === "string") reply.model = secrets.maskText(chunk.model).slice(0, 200);
          if (chunk.usage) usage = chunk.usage;
          const [choice] = Array.isArray(chunk.choices) ? (chunk.choices as Record<string, unknown>[]) : [];
          if (!choice) continue;
          if (typeof choice["finish_reason"] === "string") reply.finish = secrets.maskText(choice["finish_reason"]).slice(0, 40);
          const said = (choice["delta"] ?? choice["message"]) as { content?: unknown } | undefined;
          const text = scope === "complete" ? choice["text"] : said?.content;
          if (typeof text !== "string" || text === "") continue;
          const masked = mask.push(text);
          if (masked === "") continue;
          reply.text += masked;
          yield masked;
        }
        const rest = mask.end();
        if (rest !== "") {
          reply.text += rest;
          yield rest;
        }
        if (reply.finish === "" && reply.text === "")
          throw new SymphonyError("model/protocol", `Cannot understand ${provided.name}: it answered with nothing`, { retryable: true });
        count();
      } catch (cause) {
        if (usage || reply.text) count();
        throw signal.aborted ? signal.reason : cause;
      } finally {
        close();
      }
    }
    return {
      reply,
      pieces: pieces(),
      close() {
        count();
        close();
      },
    };
  }

  function prompt(scope: "chat" | "complete", what: unknown, options: unknown): Record<string, unknown> {
    const { maxTokens, temperature, seed, stop, jsonAnswer } = options as { maxTokens?: number; temperature?: number; seed?: number; stop?: string[]; jsonAnswer?: boolean };
    return {
      ...(scope === "chat" ? { messages: what } : { prompt: what }),
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
      ...(temperature === undefined ? {} : { temperature }),
      ...(seed === undefined ? {} : { seed }),
      ...(stop?.length ? { stop: stop.slice(0, 16) } : {}),
      ...(jsonAnswer ? { response_format: { type: "json_object" } } : {}),
    };
  }

  const answerOf = ({ text, finish, model, usage }: Reply): Scalar[] => [text, finish, model, usage.inputTokens, usage.outputTokens, usage.cost];

  function started(scope: unknown, name: unknown, what: unknown, options: unknown): Promise<Open> {
    const kind = string(scope as Scalar);
    if (kind !== "chat" && kind !== "complete") throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
    const text = string(what as Scalar);
    if (text.length > MODEL_LIMITS.promptCharacters)
      throw new SymphonyError("run/limit", `Cannot send a prompt of ${text.length} characters, at most ${MODEL_LIMITS.promptCharacters}`);
    return begin(kind, find(kind, string(name as Scalar)), prompt(kind, parsed(text), parsed(options as Scalar)));
  }

  return {
    over: () => {
      for (const one of open.values()) one.close();
      open.clear();
    },
    functions: {
      "model.ask": async ([scope, name, what, options]) => {
        const { reply, pieces } = await started(scope, name, what, options);
        for await (const _ of pieces);
        return answerOf(reply);
      },
      "model.open": async ([id, scope, name, what, options]) => {
        if (open.size >= MODEL_LIMITS.open) throw new SymphonyError("run/limit", `Cannot have over ${MODEL_LIMITS.open} answers open at once`);
        if (open.has(number(id))) throw new SymphonyError("isolate/protocol", "Cannot open an answer twice");
        open.set(number(id), await started(scope, name, what, options));
        return [];
      },
      "model.next": async ([id]) => {
        const one = open.get(number(id));
        if (!one) throw new SymphonyError("step/input", "Cannot read this answer: it was let go");
        const { done, value } = await one.pieces.next();
        return [done ? null : value];
      },
      "model.answer": ([id]) => {
        const one = open.get(number(id));
        return one ? answerOf(one.reply) : ["", "", "", 0, 0, 0];
      },
      "model.close": ([id]) => {
        open.get(number(id))?.close();
        open.delete(number(id));
        return [];
      },
      "model.embed": async ([name, texts]) => {
        const list = parsed(texts);
        if (!Array.isArray(list) || !list.every((text) => typeof text === "string")) throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
        if (list.length === 0 || list.length > MODEL_LIMITS.texts)
          throw new SymphonyError("step/input", `Cannot embed ${list.length} texts at once: expected 1 to ${MODEL_LIMITS.texts}`);
        const provided = find("embed", string(name));
        const { answer, close, signal } = await ask(provided, "/embeddings", "embed", { input: list });
        try {
          const body = await json(answer, provided.name);
          const vectors = readVectors(body, list.length, provided.name);
          const usage = used(provided, body["usage"]);
          const width = vectors[0]?.length ?? 0;
          if (width * vectors.length * 8 > MODEL_LIMITS.answerBytes)
            throw new SymphonyError("run/limit", `Cannot give ${vectors.length} vectors of ${width} numbers at once; embed fewer texts at a time`);
          const flat = new Float64Array(width * vectors.length);
          for (const [i, vector] of vectors.entries()) flat.set(vector, i * width);
          return [
            new Uint8Array(flat.buffer),
            width,
            typeof body["model"] === "string" ? secrets.maskText(body["model"]).slice(0, 200) : provided.model,
            usage.inputTokens,
            usage.outputTokens,
            usage.cost,
          ];
        } catch (cause) {
          throw signal.aborted ? signal.reason : cause;
        } finally {
          close();
        }
      },
    },
  };
}

interface Chunk {
  model?: unknown;
  usage?: unknown;
  choices?: unknown;
  error?: unknown;
}

function garbage(model: string, why: string): SymphonyError {
  return new SymphonyError("model/protocol", `Cannot understand ${model}: ${why}`, { retryable: true });
}

async function text(answer: HttpAnswer, model: string): Promise<string> {
  const decoder = new TextDecoder();
  let out = "";
  let size = 0;
  for await (const piece of answer.chunks) {
    size += piece.length;
    if (size > MODEL_LIMITS.answerBytes) throw new SymphonyError("http/limit", `Cannot take the answer of ${model}: it has over ${MODEL_LIMITS.answerBytes} bytes`);
    out += decoder.decode(piece, { stream: true });
  }
  return out + decoder.decode();
}

/** A parser that recurses is not for a stranger's brackets. */
function parseShallow(text: string, model: string): unknown {
  if (tooDeepAt(text, 64) >= 0) throw garbage(model, "its answer nests deeper than 64");
  return JSON.parse(text);
}

async function json(answer: HttpAnswer, model: string): Promise<Record<string, unknown>> {
  let body: unknown;
  try {
    body = parseShallow(await text(answer, model), model);
  } catch (cause) {
    if (cause instanceof SymphonyError) throw cause;
    throw garbage(model, "its answer is not JSON");
  }
  if (typeof body !== "object" || body === null) throw garbage(model, "its answer is no JSON object");
  return body as Record<string, unknown>;
}

/** A server that doesn't stream answers as a whole. */
async function* whole(answer: HttpAnswer, model: string): AsyncGenerator<Chunk> {
  const body = await json(answer, model);
  if (!Array.isArray(body["choices"]) && body["error"] === undefined) throw garbage(model, "its answer has no choices");
  yield body;
}

const DONE = "[DONE]";

/** The chunks of a stream. One that ends without saying so was cut. */
async function* events(answer: HttpAnswer, model: string): AsyncGenerator<Chunk> {
  const decoder = new TextDecoder();
  let waiting: string[] = [];
  let size = 0;
  const parser = createParser({ onEvent: ({ data }) => void waiting.push(data) });
  let isDone = false;
  let isFinished = false;
  for await (const piece of answer.chunks) {
    size += piece.length;
    if (size > MODEL_LIMITS.answerBytes) throw new SymphonyError("http/limit", `Cannot take the answer of ${model}: it has over ${MODEL_LIMITS.answerBytes} bytes`);
    parser.feed(decoder.decode(piece, { stream: true }));
    const ready = waiting;
    waiting = [];
    for (const data of ready) {
      if (data === DONE) {
        isDone = true;
        continue;
      }
      let chunk: unknown;
      try {
        chunk = parseShallow(data, model);
      } catch (cause) {
        if (cause instanceof SymphonyError) throw cause;
        throw garbage(model, `an event of its stream is not JSON: ${JSON.stringify(data.slice(0, 80))}`);
      }
      if (typeof chunk !== "object" || chunk === null) throw garbage(model, "an event of its stream is no JSON object");
      const [choice] = Array.isArray((chunk as Chunk).choices) ? ((chunk as Chunk).choices as Record<string, unknown>[]) : [];
      if (typeof choice?.["finish_reason"] === "string") isFinished = true;
      yield chunk as Chunk;
    }
    if (isDone) return;
  }
  if (!isFinished) throw new SymphonyError("model/failed", `Cannot take the answer of ${model}: its stream was cut before its end`, { retryable: true });
}

async function errorText(answer: HttpAnswer): Promise<string> {
  let out = "";
  const decoder = new TextDecoder();
  for await (const piece of answer.chunks) {
    out += decoder.decode(piece, { stream: true });
    if (out.length > 4000) break;
  }
  try {
    if (tooDeepAt(out, 64) >= 0) return out;
    return spellError((JSON.parse(out) as { error?: unknown }).error ?? out);
  } catch {
    return out;
  }
}

function spellError(error: unknown): string {
  const message = typeof error === "object" && error !== null ? (error as { message?: unknown }).message : error;
  return (typeof message === "string" ? message : (JSON.stringify(error) ?? "")).replace(/\s+/g, " ");
}

function failed(model: string, why: string, status: number, retryAfterMs = 0): SymphonyError {
  return new SymphonyError(
    "model/failed",
    `Cannot use ${model}: its provider says ${why ? JSON.stringify(why.slice(0, 500)) : "nothing more"}${status ? ` (status ${status})` : ""}`,
    {
      retryable: status === 0 || status === 408 || status === 409 || status === 425 || status === 429 || status >= 500,
      retryAfterMs,
      detail: status ? `model.${status}` : "model.failed",
    },
  );
}

function refusal(model: string, answer: HttpAnswer, why: string): SymphonyError {
  const header = answer.headers.find(([name]) => name === "retry-after")?.[1];
  const seconds = header === undefined ? 0 : /^\d+(\.\d+)?$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return failed(model, why, answer.status, Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, 3_600_000) : 0);
}

function readVectors(body: Record<string, unknown>, count: number, model: string): number[][] {
  const { data } = body;
  if (!Array.isArray(data) || data.length !== count) throw garbage(model, `it gave ${Array.isArray(data) ? data.length : "no"} vectors for ${count} texts`);
  const vectors: number[][] = [];
  for (const [i, one] of (data as { index?: unknown; embedding?: unknown }[]).entries()) {
    const at = typeof one?.index === "number" ? one.index : i;
    const vector = one?.embedding;
    if (!Number.isInteger(at) || at < 0 || at >= count || vectors[at]) throw garbage(model, "its vectors are not numbered as the texts are");
    if (!Array.isArray(vector) || vector.length === 0 || vector.length > 65_536 || !vector.every((x) => typeof x === "number" && Number.isFinite(x)))
      throw garbage(model, "one of its vectors is no list of numbers");
    vectors[at] = vector as number[];
  }
  if (vectors.some((vector) => vector.length !== vectors[0]?.length)) throw garbage(model, "its vectors have different lengths");
  return vectors;
}
