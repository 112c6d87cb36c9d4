// The server as the page sees it: one upload, its state until it is ready, what it says in words.

const statesInWords = {warming_up: "the model is warming up", draining: "this server is stopping", ready: "ready"};

const stagesInWords = [
  [/^listen$/, "opening the address"],
  [/^map_file$/, "opening the model's file"],
  [/^verify_/, "checking the model's file"],
  [/^build_/, "building the network"],
  [/^prove_/, "checking its answers against known ones"],
  [/^measure_/, "measuring which precision is faster"],
  [/^warm_up_/, "warming up"],
];

/** What the server does at the moment, for example "loading the model: checking the model's file". */
function stageInWords(state) {
  if (state.stage !== "loading") return statesInWords[state.stage] ?? state.stage;
  const running = state.start?.stages.filter((stage) => stage.seconds === null).at(-1)?.stage ?? "";
  const words = stagesInWords.find(([pattern]) => pattern.test(running))?.[1];
  return words ? `the model is being loaded (${words})` : "the model is being loaded";
}

const server = {
  state: undefined,   // the last answer of /readyz, or undefined
  following: false,
  listeners: [],

  words() {
    return this.state ? stageInWords(this.state) : "the server does not answer";
  },

  /** Asks again and again until the server is ready; at most one loop runs. */
  async follow() {
    if (this.following) return;
    this.following = true;
    for (let ready = false; !ready; ) {
      try {
        this.state = await (await fetch("readyz", {cache: "no-store"})).json();
        ready = this.state.ready;
      } catch {
        this.state = undefined;
      }
      for (const listener of this.listeners) listener();
      if (!ready) await pause(1);
    }
    this.following = false;
  },
};

/** The part of the page that the server writes, as it is now: what the model is. */
async function freshFromServer(id) {
  const response = await fetch("./", {headers: {Accept: "text/html"}});
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const part = page.getElementById(id);
  if (part) byId(id).replaceWith(document.adoptNode(part));
}

/** Sends one picture. {status: 0}: no answer came. XMLHttpRequest, because fetch does not tell how far an upload is. */
function send(file, query, signal, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, {once: true});
    request.open("POST", `v1/classify?${query}`);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onloadend = () => {
      signal.removeEventListener("abort", abort);
      let body;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        body = undefined;
      }
      const header = (name) => (request.status === 0 ? null : request.getResponseHeader(name));
      resolve({status: request.status, body, retryAfter: Number(header("Retry-After")) || undefined, id: header("X-Request-Id")});
    };
    request.send(file);
  });
}

/** Why it did not work and what to do, from an answer that is neither a result nor "come back later". */
function failureInWords(reply, file) {
  if (reply.status === 401) {
    return "This server asks for a user name and a password. Reload the page, sign in, and try again.";
  }
  if (reply.body?.detail) return reply.body.detail;
  if (reply.status === 413) {
    return `Something between you and the server refuses ${size(file.size)}. Make the picture smaller.`;
  }
  if (reply.status === 404 || reply.status === 405) return "The classifier is not at this address any more. Reload the page.";
  if (reply.status >= 500) return `The server behind this address does not answer (${reply.status}). Try again in a moment.`;
  return `The answer could not be understood (status ${reply.status}). Reload the page and try again.`;
}
