// A worker in Node.js for isolate.Command.Serve. docs/isolation.md describes the protocol.
//
// Replace handle by your function. If it throws, the job has failed; a Decision decides otherwise.
// Standard output belongs to the protocol, so console.log goes to standard error.

import { createInterface } from "node:readline";

console.log = console.error;

/** Ends a job as the text says, for example "snooze 10m" or "dead letter: no such user". */
class Decision extends Error {}

const write = (kind, fields) => process.stdout.write(JSON.stringify({ [kind]: fields }) + "\n");
const cancelled = new Map();

function jobOf({ call, id, attempt, headers = {}, body, base64 }) {
  const controller = new AbortController();
  cancelled.set(call, controller);
  return {
    call, id, attempt, headers,
    body: base64 === undefined ? Buffer.from(body) : Buffer.from(base64, "base64"),
    signal: controller.signal,
    log: (message, attrs = {}, level = "info") => write("log", { call, level, message, attrs }),
    progress: (data) => write("progress", { call, data }),
  };
}

async function run(job) {
  const result = { call: job.call };
  try {
    await handle(job);
  } catch (error) {
    Object.assign(result, { error: String(error?.message || error), type: error?.name ?? typeof error, stack: error?.stack });
    if (error instanceof Decision) result.decision = error.message;
  }
  cancelled.delete(job.call);
  write("result", result);
}

async function handle(job) {
  const words = job.body.toString().split(/\s+/).filter(Boolean);
  job.log("counting", { words: words.length });
  job.progress({ words: words.length });
  if (words.length === 0) throw new Decision("dead letter: no words");
  if (words[0] === "fail") throw new RangeError("asked to fail");
  if (words[0] === "die") process.exit(9);
  if (words[0] === "wait") {
    await new Promise((_, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason)));
  }
}

write("hello", { version: 1 });
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.run) run(jobOf(message.run));
  else if (message.cancel) cancelled.get(message.cancel.call)?.abort(new Error(message.cancel.cause));
}
process.exit(0);
