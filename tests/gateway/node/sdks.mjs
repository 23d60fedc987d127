// The official SDKs for Node.js, as scripts/setup installs them, and the frame of a script that asks with them.
// A script is called with the gateway's base URL and the names of what it is to ask; it prints one JSON object.
import { createRequire } from "node:module";

const installed = createRequire(new URL("../../../.node/package.json", import.meta.url));

export const { OpenAI } = installed("openai");
export const { Anthropic } = installed("@anthropic-ai/sdk");

export const PICTURE =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNkYPj/HwADBwIAMCbHYQAAAABJRU5ErkJggg==";

// What an SDK threw, in words that Python can compare.
export function thrown(error) {
  return {
    class: error.constructor.name,
    status: error.status ?? null,
    message: String(error.message),
    request: error.requestID ?? null,
    retry: error.headers?.get?.("x-should-retry") ?? null,
  };
}

export async function raised(call) {
  try {
    return { class: null, said: await call() };
  } catch (error) {
    return thrown(error);
  }
}

// All that was asked for, one after the other, each answer under its name.
export async function tell(cases) {
  const told = {};
  for (const name of process.argv.slice(3)) {
    const [asked, detail] = name.split(":");
    told[name] = await cases[asked](detail);
  }
  console.log(JSON.stringify(told));
}
