// The real program as a process, and a proxy that puts it behind a path.
import {execFileSync, spawn} from "node:child_process";
import {mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync} from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import {DEMO_MODEL, PROGRAM, WRITE_SEEDED_MODEL} from "./tools.mjs";

const DEADLINE = 120_000;  // milliseconds, for anything that is waited for: machines under load are slow

export const FOLDER = mkdtempSync(path.join(os.tmpdir(), "browser-test-"));
process.on("exit", () => rmSync(FOLDER, {recursive: true, force: true}));

export async function waitFor(what, condition) {
  for (const end = Date.now() + DEADLINE; Date.now() < end; ) {
    const value = await condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not happen within ${DEADLINE / 1000} s`);
}

export class Server {
  /** Listens at once; `ready` waits for the model. Options go before those that are given here. */
  static async start(options = [], {ready = true, secure = false} = {}) {
    const server = new Server();
    server.output = "";
    const usual = options.includes("--model") ? [] : ["--model", DEMO_MODEL];
    server.process = spawn(PROGRAM, ["serve", "--listen", "127.0.0.1:0", ...usual, ...options],
                           {env: {...process.env, INFERENCE_TERMINATION_LOG: path.join(FOLDER, "none")}});
    for (const stream of [server.process.stdout, server.process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => { server.output += text; });
    }
    server.port = await waitFor("listening", () => {
      if (server.process.exitCode !== null) throw new Error(`the server ended: ${server.output}`);
      return Number(/"message":"listening".*"port":(\d+)/.exec(server.output)?.[1]);
    });
    server.url = `${secure ? "https" : "http"}://127.0.0.1:${server.port}/`;
    if (ready) await waitFor("readiness", () => server.output.includes('"message":"ready"'));
    return server;
  }

  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }
}

export function seededModel(architecture) {
  const file = path.join(FOLDER, `${architecture}.safetensors`);
  execFileSync(WRITE_SEEDED_MODEL, [architecture, "10", "1", file]);
  return file;
}

export function writeFile(name, content) {
  const file = path.join(FOLDER, name);
  mkdirSync(path.dirname(file), {recursive: true});
  writeFileSync(file, content);
  return file;
}

/** Certificate and key for 127.0.0.1 that nobody has signed. */
export function makeCertificate() {
  const [certificate, key] = ["tls.crt", "tls.key"].map((name) => path.join(FOLDER, name));
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                           "/CN=classifier", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
               {stdio: "ignore"});
  return ["--tls-certificate", certificate, "--tls-key", key];
}

/** A reverse proxy that serves `server` below `prefix`, with the prefix taken away, as ingresses do. */
export async function proxyBelow(prefix, server) {
  const proxy = http.createServer((request, response) => {
    if (!request.url.startsWith(prefix)) return response.writeHead(404).end();
    const inner = http.request({port: server.port, host: "127.0.0.1", method: request.method, headers: request.headers,
                                path: request.url.slice(prefix.length - 1)},
                               (answer) => {
                                 response.writeHead(answer.statusCode, answer.rawHeaders);
                                 answer.pipe(response);
                               });
    inner.on("error", () => response.writeHead(502).end());
    request.pipe(inner);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {url: `http://127.0.0.1:${proxy.address().port}${prefix}`, stop: () => proxy.closeAllConnections() ?? proxy.close()};
}

/** A folder of credentials as a mounted Secret has it: changed as a whole. */
export function credentials(name, username, password) {
  const folder = path.join(FOLDER, name);
  let generation = 0;
  const change = (newPassword) => {
    const data = path.join(folder, `..${++generation}`);
    mkdirSync(data, {recursive: true});
    writeFileSync(path.join(data, "username"), username);
    writeFileSync(path.join(data, "password"), newPassword);
    try { unlinkSync(path.join(folder, "..data")); } catch { /* the first time */ }
    symlinkSync(`..${generation}`, path.join(folder, "..data"));
  };
  change(password);
  for (const file of ["username", "password"]) symlinkSync(path.join("..data", file), path.join(folder, file));
  return {folder, change};
}

/** A server with so short a time limit that it puts off every picture, once it has measured what one takes. */
export async function busyServer(picture) {
  const server = await Server.start(["--request-timeout", "0.001"]);
  const body = readFileSync(picture);
  let refused = 0;
  await waitFor("refusals", async () => {
    const {status} = await fetch(`${server.url}v1/classify`, {method: "POST", body});
    refused = status === 429 ? refused + 1 : 0;
    return refused === 3;
  });
  server.output = "";
  return server;
}

export const pictureBytes = (file) => readFileSync(file);
