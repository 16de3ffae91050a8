// The service whose steps Restate journals; the server calls it over loopback.
import { createServer } from "node:http2";

// the SDK wants what Node 20 lacks
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const { createEndpointHandler, RestatePromise, service } = await import("@restatedev/restate-sdk");

const timed = (work) => async (context, nodes) => {
  const begun = performance.now();
  const sum = await work(context, nodes);
  return [sum, performance.now() - begun];
};
const bench = service({
  name: "bench",
  options: { inactivityTimeout: { minutes: 10 }, journalRetention: { seconds: 0 } },
  handlers: {
    chain: timed(async (context, nodes) => {
      let sum = 0;
      for (let i = 0; i < nodes; i++) sum += await context.run(`n${i}`, () => 1);
      return sum;
    }),
    fan: timed(async (context, nodes) => {
      const steps = Array.from({ length: nodes }, (_, i) => context.run(`n${i}`, () => 1));
      return (await RestatePromise.all(steps)).length;
    }),
  },
});
createServer(createEndpointHandler({ services: [bench] })).listen(Number(process.argv[2]), "127.0.0.1");
