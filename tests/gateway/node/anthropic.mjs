// Anthropic's SDK. The model's name tells the upstream which answer to give.
import { Anthropic, PICTURE, raised, tell } from "./sdks.mjs";

const client = new Anthropic({ baseURL: process.argv[2], apiKey: "penstock" });
const messages = [{ role: "user", content: "Why?" }];
const max_tokens = 50;
const tools = [{ name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }];

const asked = (model) => ({ model, max_tokens, messages });
const streamed = (model) => client.messages.stream(asked(model)).finalMessage();

await tell({
  async chat() {
    const { data, response, request_id } = await client.messages.create(asked("text")).withResponse();
    const headers = Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("x-penstock-")));
    return { text: data.content[0].text, usage: data.usage, request: request_id, headers };
  },
  async stream() {
    let text = "";
    for await (const event of await client.messages.create({ ...asked("text"), stream: true })) {
      text += event.delta?.text ?? "";
    }
    return text;
  },
  async tools() {
    const whole = await client.messages.create({ ...asked("tools"), tools });
    const final = await client.messages.stream({ ...asked("tools"), tools }).finalMessage();
    const calls = (said) => said.content.filter((block) => block.input).map((block) => [block.id, block.input]);
    return { whole: calls(whole), streamed: calls(final) };
  },
  // The second turn hands back every block that the first one gave.
  async thinking() {
    const said = await streamed("thinking");
    const turn = [...messages, { role: "assistant", content: said.content }, ...messages];
    await client.messages.create({ model: "text", max_tokens, messages: turn });
    return said.content;
  },
  async image() {
    const picture = { type: "image", source: { type: "base64", media_type: "image/png", data: PICTURE } };
    const parts = [picture, { type: "text", text: "What is this?" }];
    const said = await client.messages.create({ ...asked("text"), messages: [{ role: "user", content: parts }] });
    return said.content[0].text;
  },
  async count() {
    return (await client.messages.countTokens({ model: "text", messages })).input_tokens;
  },
  error: (status) => raised(() => client.messages.create(asked(`error-${status}`))),
  error_in_stream: (status) => raised(() => streamed(`error-${status}`)),
  again: () => raised(() => client.messages.create(asked("again-409"))),
  cut: () =>
    raised(async () => {
      for await (const _ of await client.messages.create({ ...asked("cut"), stream: true }));
    }),
  cut_helper: () => raised(() => streamed("cut")),
  broken: () => raised(() => streamed("broken")),
  async abort() {
    const leaving = new AbortController();
    const stream = await client.messages.create({ ...asked("mine"), stream: true }, { signal: leaving.signal });
    let heard = 0;
    for await (const event of stream) {
      heard += event.type === "content_block_delta";
      if (heard) leaving.abort();
    }
    return heard;
  },
});
