// llama.cpp behind OpenAI's chat format: node server.mjs FOLDER MODEL PORT, where FOLDER has node-llama-cpp installed.
//
// As `llama-server --parallel 1` does it: one slot, requests in their order, and of a prompt only what differs from the
// one before is evaluated. `cached_tokens` is what the engine's own counter says it did not evaluate.

import {createServer} from "node:http";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const [folder, modelPath, port] = process.argv.slice(2);
const installed = createRequire(`${folder}/package.json`).resolve("node-llama-cpp");
const {getLlama} = await import(pathToFileURL(installed).href);

const THREADS = 1;

const llama = await getLlama({gpu: false, maxThreads: THREADS, build: "never", skipDownload: true, logLevel: "error"});
const model = await llama.loadModel({modelPath, gpuLayers: 0});
const context = await model.createContext({sequences: 1, contextSize: model.trainContextSize, threads: THREADS});
const slot = context.getSequence();

let turn = Promise.resolve();

// Runs `work` when all that was asked before is done.
function inTurn(work) {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
}

function textOf(content) {
    return typeof content === "string" ? content : content.map((part) => part.text).join("");
}

function promptOf(messages) {
    const said = messages.map(({role, content}) => `${role}: ${textOf(content)}\n`);
    return [model.tokens.bos, ...model.tokenize(`${said.join("")}assistant:`, false)];
}

// Answers a prompt, the likeliest token each time; `tell` hears each piece. What is yielded first has cost the prompt.
async function answer(prompt, most, gone, tell) {
    const before = slot.tokenMeter.getState();
    // One token has to be evaluated for the next one to be known.
    await slot.adaptStateToTokens(prompt.slice(0, -1), false);
    const usage = {prompt_tokens: prompt.length, completion_tokens: 0, prompt_tokens_details: {cached_tokens: 0}};
    for await (const token of slot.evaluate(prompt.slice(slot.nextTokenIndex), {temperature: 0})) {
        if (usage.completion_tokens === 0) {
            const spent = slot.tokenMeter.diff(before);
            usage.prompt_tokens_details.cached_tokens = prompt.length - spent.usedInputTokens - spent.usedOutputTokens;
        }
        usage.completion_tokens += 1;
        tell(model.detokenize([token]));
        if (usage.completion_tokens >= most || gone())
            break;
    }
    return {...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens};
}

// A stream that has begun is cut instead.
function refuse(response, status, message) {
    if (response.headersSent)
        return response.destroy();
    response.writeHead(status, {"content-type": "application/json"});
    response.end(JSON.stringify({error: {message}}));
}

async function read(request) {
    const parts = [];
    for await (const part of request)
        parts.push(part);
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

async function complete(body, response) {
    if (response.destroyed)
        return;
    const head = {id: "chatcmpl-llama", created: Math.floor(Date.now() / 1000), model: body.model};
    const most = body.max_completion_tokens ?? body.max_tokens ?? 16;
    const gone = () => response.destroyed;
    const prompt = promptOf(body.messages);
    const pieces = [];
    if (prompt.length + most > slot.contextSize)
        return refuse(response, 400, `${prompt.length} + ${most} tokens do not fit ${slot.contextSize}`);

    function send(said) {
        response.write(`data: ${JSON.stringify({...head, object: "chat.completion.chunk", ...said})}\n\n`);
    }

    function tell(piece) {
        pieces.push(piece);
        if (body.stream)
            send({choices: [{index: 0, delta: {role: "assistant", content: piece}, finish_reason: null}]});
    }

    if (body.stream)
        response.writeHead(200, {"content-type": "text/event-stream"});
    const usage = await answer(prompt, most, gone, tell);
    if (body.stream) {
        send({choices: [{index: 0, delta: {}, finish_reason: "length"}]});
        if (body.stream_options?.include_usage)
            send({choices: [], usage});
        response.end("data: [DONE]\n\n");
        return;
    }
    const message = {role: "assistant", content: pieces.join("")};
    const choices = [{index: 0, message, finish_reason: "length"}];
    response.writeHead(200, {"content-type": "application/json"});
    response.end(JSON.stringify({...head, object: "chat.completion", choices, usage}));
}

const server = createServer(async (request, response) => {
    try {
        if (request.method === "GET" && request.url === "/health") {
            response.end("{}");
        } else if (request.method === "POST" && request.url === "/v1/chat/completions") {
            const body = await read(request);
            await inTurn(() => complete(body, response));
        } else {
            response.writeHead(404).end();
        }
    } catch (error) {
        console.error(error);
        refuse(response, 500, String(error));
    }
});
server.listen(Number(port), "127.0.0.1");
