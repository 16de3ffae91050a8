// How a home is come by: this process owns it, or is a client of the one that does.
import { SymphonyError } from "../../runtime/mod.ts";
import type { Backstage } from "../stage.ts";
import { connect } from "./client.ts";
import type { Home, LiveRun } from "./home.ts";
import { lastOwner, takeLock } from "./lock.ts";
import { createOwner } from "./owner.ts";

const CONNECT_MS_MAX = 5000;
const LOOK_MS_MAX = 2000;
const AGAIN_MS = 20;

/** Becomes the home's owner, or a client of the process that is. Throws `home/unreachable`. */
export async function openHome(backstage: Backstage): Promise<Home> {
  for (const end = performance.now() + CONNECT_MS_MAX; ; ) {
    const unlock = takeLock(backstage.home);
    if (unlock) return createOwner(backstage, unlock);
    const client = await connect(backstage);
    if (client) return client;
    // an owner that is just coming or going
    if (performance.now() > end) throw unreachable(backstage.home);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function unreachable(home: string): SymphonyError {
  return new SymphonyError("home/unreachable", `Cannot use the home ${JSON.stringify(home)}: ${lastOwner(home)} owns it and doesn't answer; end it, or use another --home`);
}

/** What runs in a home now, for who only looks; undefined when nothing does. */
export async function lookAtHome(backstage: Backstage): Promise<{ pid: number; runs: LiveRun[] } | undefined> {
  let client = await connect(backstage);
  for (const end = performance.now() + LOOK_MS_MAX; !client; client = await connect(backstage)) {
    const unlock = takeLock(backstage.home);
    unlock?.();
    if (unlock) return undefined;
    if (performance.now() > end) throw unreachable(backstage.home);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  try {
    return await client.live();
  } finally {
    await client.close();
  }
}
