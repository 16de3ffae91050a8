// A connection over a pair of byte streams of node:stream, which sockets, pipes and standard input and output are on Bun and Deno.
import type { Readable, Writable } from "node:stream";
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection, closedError, createEnds, FRAME_MAX } from "./connection.ts";
import { createFrameReader, packFrames } from "./frames.ts";

/**
 * `closeAll`: closes what is beneath. Writing waits while more than the stream's own mark (some ten KiB) and what the system holds is not
 * taken.
 */
export function createStreamConnection({ address, readable, writable, closeAll }: { address: string; readable: Readable; writable: Writable; closeAll: () => void }): Connection {
  const ends = createEnds();
  let saidEnd = false;
  let isRead = false;
  let bytesReceived = 0;
  let draining: PromiseWithResolvers<void> | undefined;

  function close(error?: SymphonyError): void {
    if (ends.isClosed) return;
    ends.close(error);
    draining?.resolve();
    closeAll();
  }
  function over(): void {
    // what was said still goes out
    if (ends.hasEnded && saidEnd && !ends.isClosed) {
      if (writable.writableFinished || writable.destroyed) close();
      else writable.once("finish", () => close());
    }
  }

  writable.on("drain", () => {
    draining?.resolve();
    draining = undefined;
  });
  writable.on("error", (cause) => close(brokenError(address, cause)));
  writable.on("close", () => {
    // the far side no longer reads: it may still speak
    saidEnd = true;
    draining?.resolve();
    if (ends.hasEnded) close();
    else if (!isRead) close(brokenError(address, "it was closed"));
  });

  const connection: Connection = {
    address,
    closed: ends.closed,
    ended: ends.ended,
    frameMax: FRAME_MAX,
    get bytesReceived() {
      return bytesReceived;
    },
    send(frames) {
      if (ends.isClosed || saidEnd) throw closedError(address);
      const chunks = packFrames(frames);
      let goesOn = true;
      if (chunks.length > 1) writable.cork();
      for (const chunk of chunks) goesOn = writable.write(chunk);
      if (chunks.length > 1) writable.uncork();
      if (goesOn) return undefined;
      draining ??= Promise.withResolvers();
      return draining.promise;
    },
    receive(take) {
      isRead = true;
      const reader = createFrameReader(take, { frameMax: () => connection.frameMax });
      /** What came although reading was stopped. */
      const late: Uint8Array[] = [];
      let waits = false;
      let isOver = false;
      const fail = (cause: unknown): void => close(cause instanceof SymphonyError ? cause : brokenError(address, cause));
      const push = (chunk: Uint8Array): void => {
        try {
          const wait = reader.push(chunk);
          if (!wait) return;
          waits = true;
          readable.pause();
          wait.then(goOn, fail);
        } catch (cause) {
          fail(cause);
        }
      };
      const goOn = (): void => {
        waits = false;
        while (late.length > 0 && !waits && !ends.isClosed) push(late.shift() as Uint8Array);
        if (waits || ends.isClosed) return;
        if (isOver) finish();
        else readable.resume();
      };
      const finish = (): void => {
        isOver = true;
        if (waits || ends.isClosed) return;
        if (reader.left > 0) {
          close(new SymphonyError("bus/malformed", `The connection ${address} ended within a frame: ${reader.left} bytes of it had come`, { retryable: true }));
          return;
        }
        ends.end();
        over();
      };
      readable.on("data", (chunk: Uint8Array) => {
        if (ends.isClosed) return;
        bytesReceived += chunk.length;
        if (waits) late.push(chunk);
        else push(chunk);
      });
      readable.on("end", finish);
      readable.on("error", fail);
      readable.on("close", () => {
        // without an end before it, it broke
        if (!isOver) finish();
      });
      readable.resume();
    },
    end() {
      if (saidEnd || ends.isClosed) return;
      saidEnd = true;
      writable.end();
      over();
    },
    close: () => close(),
  };
  return connection;
}
