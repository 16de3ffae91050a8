// A process that speaks the isolate's protocol wrongly, and a platform whose first isolate is that process. All others
// are real.
import { spawn } from "node:child_process";
import { readSync, writeSync } from "node:fs";
import { FRAME, FrameCutter, FrameReader, FrameWriter, HOST_FUNCTIONS } from "../../../runtime/extension/isolate/wire.ts";
import type { Child, ProcessPlatform } from "../../../runtime/platform/platform.ts";

export type Lie =
  | "answers with another sequence" | "answers twice" | "says twice that it has loaded" | "says that it could not load" | "sends an unknown type of frame"
  | "calls an unknown host function" | "calls the host twice at once" | "announces a frame of 4 GiB" | "writes garbage without end"
  | "answers with more than it says" | "answers with less than it says" | "answers with text that is not UTF-8" | "answers with a list of four billion"
  | "asks without end" | "logs a mebibyte" | "answers with ten million nulls" | "answers with an unknown value" | "logs without end" | "stops reading and says nothing" | "ends in the middle of a frame" | "ends at once";

/** `real`, but for its first isolate. */
export function createLiarPlatform(real: ProcessPlatform, lie: Lie): ProcessPlatform {
  let first = true;
  return {
    ...real,
    spawn(program, onData) {
      if (program !== "isolate" || !first) return real.spawn(program, onData);
      first = false;
      return startLiar(lie, onData);
    },
  };
}

function startLiar(lie: Lie, onData: (chunk: Uint8Array) => void): Child {
  const deno = "Deno" in globalThis ? ["run", "--quiet", "-A"] : [];
  const child = spawn(process.execPath, [...deno, import.meta.filename, lie], { stdio: ["pipe", "pipe", "pipe"] });
  let stderr = "";
  child.stdout.on("data", onData);
  child.stderr.on("data", (chunk: Uint8Array) => {
    stderr += new TextDecoder().decode(chunk);
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<{ code: number | null; signal: string | null; stderr: string }>((resolve) => {
    child.on("exit", (code, signal) => resolve({ code, signal, stderr }));
  });
  return { pid: child.pid ?? -1, send: (bytes) => void child.stdin.write(bytes), unsent: 0, kill: () => void child.kill("SIGKILL"), ended };
}

function main(lie: Lie): void {
  const writer = new FrameWriter();
  const cutter = new FrameCutter();
  const chunk = new Uint8Array(64 * 1024);
  const send = (bytes: Uint8Array = writer.take(true)): void => {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(1, bytes, at);
      } catch (cause) {
        if ((cause as { code?: string }).code !== "EAGAIN") throw cause;
      }
    }
  };
  const loaded = (fault: string): void => {
    writer.begin(FRAME.loaded);
    writer.text(fault);
    writer.end();
    send();
  };
  /** The result of a call: no fuel, nothing held, and what `rest` writes. */
  const result = (sequence: number, rest: () => void): void => {
    writer.begin(FRAME.result);
    writer.u32(sequence);
    writer.f64(0);
    writer.f64(0);
    rest();
    writer.end();
    send();
  };
  const host = (index: number): void => {
    writer.begin(FRAME.host);
    writer.u8(index);
    writer.scalars(["info", "a line"]);
    writer.end();
  };
  const none = (): void => {
    writer.u8(0);
    writer.entries([]);
  };
  const tell = (sequence: number): void => {
    switch (lie) {
      case "answers with another sequence":
        return result(sequence + 1, none);
      case "answers twice":
        result(sequence, none);
        return result(sequence, none);
      case "says twice that it has loaded":
        return loaded("");
      case "sends an unknown type of frame":
        writer.begin(99);
        writer.end();
        return send();
      case "calls an unknown host function":
        host(200);
        return send();
      case "calls the host twice at once":
        host(HOST_FUNCTIONS.indexOf("call.attempt"));
        host(HOST_FUNCTIONS.indexOf("call.attempt"));
        return send();
      case "announces a frame of 4 GiB":
        return send(new Uint8Array([255, 255, 255, 255, FRAME.result]));
      case "writes garbage without end":
        for (;;) send(crypto.getRandomValues(new Uint8Array(4096)));
      case "answers with more than it says":
        return result(sequence, () => {
          none();
          writer.u8(0);
        });
      case "answers with less than it says":
        return result(sequence, () => {
          writer.u8(0);
          writer.u32(1);
          writer.text("name");
        });
      case "answers with text that is not UTF-8":
        return result(sequence, () => {
          writer.u8(0);
          writer.u32(1);
          writer.raw(new Uint8Array([0xff]));
          writer.u8(0);
        });
      case "answers with a list of four billion":
        return result(sequence, () => {
          writer.u8(0);
          writer.u32(0xffff_ffff);
        });
      case "answers with an unknown value":
        return result(sequence, () => {
          writer.u8(0);
          writer.u32(1);
          writer.text("name");
          writer.u8(77);
        });
      case "logs without end":
        for (let i = 0; i < 1000; i++) host(HOST_FUNCTIONS.indexOf("log.write"));
        for (const lines = writer.take(true); ; ) send(lines);
      case "asks without end":
        for (let i = 0; i < 1000; i++) host(HOST_FUNCTIONS.indexOf("call.attempt"));
        for (const questions = writer.take(true); ; ) send(questions);
      case "logs a mebibyte":
        writer.begin(FRAME.host);
        writer.u8(HOST_FUNCTIONS.indexOf("log.write"));
        writer.scalars(["info", "x".repeat(1024 * 1024)]);
        writer.end();
        return send();
      case "answers with ten million nulls":
        return result(sequence, () => {
          writer.u8(0);
          writer.u32(1);
          writer.text("name");
          writer.u8(8);
          writer.u32(10_000_000);
          for (let i = 0; i < 10_000_000; i++) writer.u8(0);
        });
      case "stops reading and says nothing":
        for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
      case "ends in the middle of a frame":
        send(new Uint8Array([100, 0, 0, 0, FRAME.result, 1, 2, 3]));
        return process.exit(0);
      case "ends at once":
        return process.exit(3);
      default:
        return;
    }
  };
  for (let count = readSync(0, chunk, 0, chunk.length, null); count > 0; count = readSync(0, chunk, 0, chunk.length, null)) {
    cutter.push(chunk.subarray(0, count), (type, payload) => {
      if (type === FRAME.load) loaded(lie === "says that it could not load" ? "it would not" : "");
      else if (type === FRAME.call) tell(new FrameReader(payload).u32());
    });
  }
}

if (import.meta.main) main(process.argv[2] as Lie);
