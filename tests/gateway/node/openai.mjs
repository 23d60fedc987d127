// OpenAI's SDK. The model's name tells the upstream which answer to give.
import { OpenAI, PICTURE, raised, tell } from "./sdks.mjs";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "penstock" });
const messages = [{ role: "user", content: "Why?" }];
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", parameters } }];

async function streamed(model) {
  let text = "";
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  return text;
}

await tell({
  async chat() {
    const { data, response, request_id } = await client.chat.completions
      .create({ model: "text", messages })
      .withResponse();
    const headers = Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("x-penstock-")));
    return { text: data.choices[0].message.content, usage: data.usage, request: request_id, headers };
  },
  stream: () => streamed("text"),
  async tools() {
    const whole = await client.chat.completions.create({ model: "tools", messages, tools });
    const stream = client.chat.completions.stream({ model: "tools", messages, tools });
    const final = await stream.finalChatCompletion();
    const calls = (said) => said.choices[0].message.tool_calls.map((call) => [call.id, call.function.arguments]);
    return { whole: calls(whole), streamed: calls(final) };
  },
  async thinking() {
    let reasoning = "";
    for await (const chunk of await client.chat.completions.create({ model: "tools", messages, tools, stream: true })) {
      reasoning += chunk.choices[0]?.delta?.reasoning_content ?? "";
    }
    return reasoning;
  },
  async responses() {
    const asked = { model: "tools", input: "Why?" };
    const whole = await client.responses.create(asked);
    const final = await client.responses.stream(asked).finalResponse();
    const said = (response) => [response.output_text, response.output.map((item) => item.arguments ?? item.type)];
    return { whole: said(whole), streamed: said(final), usage: final.usage };
  },
  async image() {
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${PICTURE}` } };
    const asked = [{ role: "user", content: [{ type: "text", text: "What is this?" }, picture] }];
    return (await client.chat.completions.create({ model: "text", messages: asked })).choices[0].message.content;
  },
  async embeddings() {
    const asked = { model: "text", input: ["one", "two"] };
    const packed = await client.embeddings.create(asked);
    const numbers = await client.embeddings.create({ ...asked, encoding_format: "float" });
    return { packed: packed.data.map((item) => item.embedding), numbers: numbers.data.map((item) => item.embedding) };
  },
  error: (status) => raised(() => client.chat.completions.create({ model: `error-${status}`, messages })),
  error_in_stream: (status) => raised(() => streamed(`error-${status}`)),
  again: () => raised(() => client.chat.completions.create({ model: "again-409", messages })),
  cut: () => raised(() => streamed("cut")),
  cut_helper: () =>
    raised(() => client.chat.completions.stream({ model: "cut", messages }).finalChatCompletion()),
  cut_response: () => raised(() => client.responses.stream({ model: "cut", input: "Why?" }).finalResponse()),
  broken: () => raised(() => streamed("broken")),
  async abort() {
    const leaving = new AbortController();
    const asked = { model: "mine", messages, stream: true };
    const stream = await client.chat.completions.create(asked, { signal: leaving.signal });
    let heard = 0;
    for await (const chunk of stream) {
      heard += chunk.choices.length;
      leaving.abort();
    }
    return heard;
  },
});
