// The transport of AWS's client for Node.js, in the place of its native add-on: AWS's package loads
// `./rapid-client.node`, which must be compiled with cmake and a C++ compiler, and a directory of
// that name with this module in it serves as well. It speaks HTTP/1.1 over one connection to the
// Runtime API, and expects of the platform what the platform does: a Content-Length, no chunks.
//
// Exports what the add-on does: next() -> Promise<{bodyJson, headers}>, done(id, body) and
// error(id, body, xray). The add-on posts while the event loop stands still; here a post is handed
// to the kernel before the call returns, as far as it fits, and next() waits for its answer. How a
// post was answered matters to neither. The connection keeps the process alive only while an
// answer is awaited, so that an empty event loop ends a function as it does on AWS.
"use strict";

const net = require("node:net");

const HEAD_END = Buffer.from("\r\n\r\n");
const INVOCATION = "/2018-06-01/runtime/invocation/";

const address = process.env.AWS_LAMBDA_RUNTIME_API;
const colon = address.lastIndexOf(":");
const host = address.slice(0, colon);
const port = Number(address.slice(colon + 1));

let socket = null;
// {resolve, reject, chunks, size, head, length} of the request under way.
let pending = null;
// Settles when the last post has been answered or has failed.
let posted = Promise.resolve();

function connect() {
  const made = net.connect({ host, port, noDelay: true });
  made.on("data", (chunk) => receive(made, chunk));
  made.on("error", (error) => lose(made, error));
  made.on("close", () => lose(made, new Error("the Runtime API closed the connection")));
  return made;
}

function lose(lost, error) {
  if (lost !== socket) return;
  socket = null;
  const failed = pending;
  pending = null;
  if (failed) failed.reject(error);
}

function send(text) {
  return new Promise((resolve, reject) => {
    pending = { resolve, reject, chunks: [], size: 0, head: null, length: 0 };
    socket ??= connect();
    socket.ref();
    socket.write(text);
  });
}

function receive(from, chunk) {
  if (from !== socket || !pending) return;
  pending.chunks.push(chunk);
  pending.size += chunk.length;
  if (!pending.head && !parseHead()) return;
  if (pending.size < pending.length) return;
  const { resolve, head, chunks } = pending;
  const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  pending = null;
  socket.unref();
  resolve({ status: head.status, headers: head.headers, body });
}

function parseHead() {
  const received = Buffer.concat(pending.chunks);
  const end = received.indexOf(HEAD_END);
  if (end < 0) return false;
  const [line, ...fields] = received.latin1Slice(0, end).split("\r\n");
  const headers = {};
  for (const field of fields) {
    const at = field.indexOf(":");
    headers[field.slice(0, at).toLowerCase()] = field.slice(at + 1).trim();
  }
  pending.head = { status: Number(line.slice(9, 12)), headers };
  pending.length = Number(headers["content-length"]);
  if (!Number.isInteger(pending.length)) {
    socket.destroy(new Error("the Runtime API sent no Content-Length"));
    return false;
  }
  const rest = received.subarray(end + HEAD_END.length);
  pending.chunks = [rest];
  pending.size = rest.length;
  return true;
}

function post(path, body) {
  const length = Buffer.byteLength(body);
  const head =
    `POST ${path} HTTP/1.1\r\nHost: ${address}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${length}\r\n\r\n`;
  posted = send(head + body).then(
    () => {},
    () => {},
  );
}

exports.next = async () => {
  await posted;
  const answer = await send(`GET ${INVOCATION}next HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
  if (answer.status !== 200) {
    throw new Error(`Failed to get next invocation, error ${answer.status}`);
  }
  return { bodyJson: answer.body.utf8Slice(0, answer.body.length), headers: answer.headers };
};

exports.done = (id, body) => post(`${INVOCATION}${id}/response`, body);

// The third argument, a description of the error for X-Ray, is dropped: lambd has no X-Ray.
exports.error = (id, body) => post(`${INVOCATION}${id}/error`, body);
