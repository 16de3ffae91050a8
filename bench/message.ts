// The message that the bus's benches send: 660 bytes as JSON, the facts of a node that has finished.

export const MESSAGE = {
  kind: "event",
  id: 184_467,
  to: "run.0190a3c2-5f1e-7c3a-9b1d-2f6c1e0a7b42.node.summarize",
  type: "run/node@2",
  at: 1_795_291_057_250,
  correlation: "0190a3c2-5f1e-7c3a-9b1d-2f6c1e0a7b42",
  from: "home/laptop",
  hops: 1,
  payload: {
    run: "0190a3c2-5f1e-7c3a-9b1d-2f6c1e0a7b42",
    node: "summarize",
    state: "finished",
    attempt: 1,
    ms: 301.038,
    cost: { fuel: 18_234_112, bytes: 4_194_304, calls: 12, tokens: 842 },
    outputs: [
      { port: "summary", type: "text", size: 1822, hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
      { port: "keywords", type: "list", size: 212, hash: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752" },
    ],
    labels: { team: "docs", tier: "free", model: "qwen-2.5" },
  },
};
