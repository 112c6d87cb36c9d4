"use strict";

const form = document.getElementById("upload");
const input = document.getElementById("image");
const drop = document.getElementById("drop");
const results = document.getElementById("results");
const statusLine = document.getElementById("status");
const maxBytes = Number(form.dataset.maxBytes);
const maxTries = 20;

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function megabytes(bytes) {
  return (bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0) + " MB";
}

// ---- one card per picture ----

function makeCard(file) {
  const card = element("section", "result");
  const preview = element("img");
  preview.alt = "";
  preview.src = URL.createObjectURL(file);
  preview.addEventListener("error", () => preview.remove());
  card.append(preview, element("h2", "", file.name || "Pasted picture"));
  const body = element("div");
  body.append(element("p", "detail", "Waiting…"));
  card.append(body);
  results.prepend(card);
  return body;
}

function showError(body, message, retry) {
  body.replaceChildren(element("p", "error", message));
  if (!retry) return;
  const button = element("button", "", "Try again");
  button.type = "button";
  button.addEventListener("click", retry);
  body.append(button);
}

function showPredictions(body, answer) {
  const result = answer.results[0];
  const list = element("ol", "predictions");
  for (const prediction of result.predictions) {
    const percent = (prediction.probability * 100).toFixed(1);
    const row = element("li");
    const meter = element("meter");
    meter.max = 100;
    meter.value = Number(percent);
    meter.setAttribute("aria-label", prediction.label);
    row.append(element("span", "label", prediction.label), meter, element("span", "percent", percent + " %"));
    list.append(row);
  }
  const image = result.image;
  const took = Object.values(result.timing_ms).reduce((sum, part) => sum + part, 0);
  const detail = `${image.format}, ${image.width} × ${image.height} pixels, answered in ${Math.round(took)} ms`;
  body.replaceChildren(list, element("p", "detail", detail));
}

// ---- sending ----

async function countDown(body, seconds) {
  for (let left = seconds; left > 0; --left) {
    body.replaceChildren(element("p", "detail", `The server is busy or still loading; trying again in ${left} s.`));
    await wait(1);
  }
}

async function classify(file, body) {
  if (file.size > maxBytes) {
    showError(body, `Too large: ${megabytes(file.size)}. The limit is ${megabytes(maxBytes)}.`);
    return;
  }
  const again = () => classify(file, body);
  for (let attempt = 0; attempt < maxTries; ++attempt) {
    body.replaceChildren(element("p", "detail", "Classifying…"));
    const data = new FormData();
    data.append("image", file);
    try {
      const response = await fetch("/v1/classify", {method: "POST", body: data, headers: {Accept: "application/json"}});
      if (response.status === 429 || response.status === 503) {
        await countDown(body, Number(response.headers.get("Retry-After")) || 2);
        continue;
      }
      const answer = await response.json();
      if (response.ok) {
        showPredictions(body, answer);
      } else {
        showError(body, answer.detail, response.status >= 500 ? again : undefined);
      }
    } catch {
      showError(body, "The server did not answer. Check the connection.", again);
    }
    return;
  }
  showError(body, "The server stayed busy.", again);
}

const queue = [];
let working = false;

async function work() {
  if (working) return;
  working = true;
  let done = 0;
  while (queue.length > 0) {
    statusLine.textContent = `Classifying, ${queue.length} to go.`;
    const {file, body} = queue.shift();
    await classify(file, body);
    ++done;
  }
  statusLine.textContent = done === 1 ? "1 picture done." : `${done} pictures done.`;
  working = false;
}

function add(files) {
  for (const file of files) queue.push({file, body: makeCard(file)});
  work();
}

// ---- ways to give a picture ----

form.addEventListener("submit", (event) => {
  event.preventDefault();
  add(input.files);
  form.reset();
});
input.addEventListener("change", () => form.requestSubmit());
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.remove("over");
  });
}
document.addEventListener("drop", (event) => add(event.dataTransfer.files));
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length > 0) add(event.clipboardData.files);
});

document.getElementById("hint").textContent = "Choose files, drop them anywhere on this page, or paste a picture.";
document.getElementById("origin").textContent = location.origin;
form.querySelector("button").hidden = true;

// ---- the model's state, until it is ready ----

async function followModel() {
  const stages = {loading: "The model is being loaded…", warming_up: "The model is warming up…",
                  draining: "This server is stopping."};
  for (let ready = false; !ready;) {
    try {
      const state = await (await fetch("/readyz")).json();
      ready = state.ready;
      if (!ready) statusLine.textContent = stages[state.stage] || "";
      if (ready && !document.querySelector(".model") && !results.hasChildNodes()) location.reload();
      if (ready && statusLine.textContent === stages.warming_up) statusLine.textContent = "";
    } catch {
      statusLine.textContent = "The server does not answer.";
    }
    if (!ready) await wait(2);
  }
}
followModel();
