// One card per picture: what is going on with it, or what became of it.

let bestCount = 5;  // bars; the rest stands in the table

const resultOf = (job) => job.answer.results[0];

function makeCard(job) {
  const image = element("img", {alt: `Preview of ${job.name}`, decoding: "async", src: job.url});
  image.addEventListener("error", () => image.replaceWith(element("span", {class: "no-preview"}, "No preview")));
  const title = `title-${job.id}`;
  job.card = element("li", {class: "card", tabindex: "-1", "aria-labelledby": title},
                     element("div", {class: "preview"}, image),
                     element("h3", {id: title, title: job.name, dir: "auto"}, job.name),
                     element("div", {class: "state"}));
  return job.card;
}

/** Makes the card show the job's state; who works with the keyboard stays in it. */
function showState(job) {
  const card = job.card;
  if (!card) return;
  const hadFocus = card.contains(document.activeElement);
  job.tick = undefined;
  card.dataset.state = job.state;
  card.querySelector(".state").replaceChildren(...views[job.state](job));
  if (hadFocus) (card.querySelector(".state button") ?? card).focus();
}

function tools(...buttons) {
  return element("p", {class: "tools"}, ...buttons);
}

const removeButton = (job) => button("Remove", () => removeJob(job), {"aria-label": `Remove ${job.name}`});
const againButton = (job) => button("Try again", () => queue.add([job]), {class: "strong", "aria-label": `Try again: ${job.name}`});
const cancelButton = (job) => button("Cancel", () => queue.cancel(job), {"aria-label": `Cancel ${job.name}`});

function bar(label, attributes) {
  return element("progress", {"aria-label": label, max: "1", ...attributes});
}

const views = {
  waiting: (job) => [element("p", {}, "Waiting for its turn…"), tools(cancelButton(job))],

  uploading(job) {
    const progress = bar(`Upload of ${job.name}`, {value: job.progress});
    job.tick = () => { progress.value = job.progress; };
    return [element("p", {}, `Sending ${size(job.file.size)}…`), progress, tools(cancelButton(job))];
  },

  classifying: (job) => [element("p", {}, "The model is looking at it…"), bar(`Classification of ${job.name}`), tools(cancelButton(job))],

  busy(job) {
    const text = element("p");
    job.tick = () => { text.textContent = `${job.reason()} Trying again in ${Math.ceil(job.left)} s…`; };
    job.tick();
    return [text, tools(button("Try now", () => job.hurry(), {"aria-label": `Try now: ${job.name}`}), cancelButton(job))];
  },

  offline: (job) => [element("p", {}, "You are offline. This goes on by itself when you are connected again."), tools(cancelButton(job))],

  cancelled: (job) => [element("p", {}, "Cancelled."), tools(againButton(job), removeButton(job))],

  failed: (job) => [element("p", {class: "error"}, job.message),
                    job.requestId ? element("p", {class: "origin"}, `Request ${job.requestId}`) : null,
                    tools(job.again ? againButton(job) : null, removeButton(job))].filter(Boolean),

  done(job) {
    const {predictions, certainty} = resultOf(job);
    const best = predictions[0];
    return [
      certainty.sure
        ? element("p", {class: "best", title: best.label}, isolated(best.label))
        : element("div", {class: "unsure"}, element("p", {class: "best"}, "Not sure"), element("p", {}, certainty.note)),
      element("ol", {class: "predictions"}, ...predictions.slice(0, bestCount).map(predictionRow)),
      tools(button("Copy JSON", (event) => copy(JSON.stringify(job.answer, null, 2), event.currentTarget)),
            button("Copy curl", (event) => copy(curlCommand(job.name), event.currentTarget)), removeButton(job)),
      details(job),
    ];
  },
};

function predictionRow({label, probability}) {
  const meter = element("meter", {min: "0", max: "1", "aria-label": label, title: percent(probability)});
  meter.value = probability;
  return element("li", {}, element("span", {class: "label", title: label}, isolated(label)),
                 element("span", {class: "percent"}, percent(probability)), meter);
}

function cells(kind, ...contents) {
  return element("tr", {}, ...contents.map((content) => element(kind, {}, content)));
}

function scores(predictions) {
  const row = ({label, index, wnid, probability, probability_raw: raw}) =>
    cells("td", isolated(wnid ? `${label} (${wnid})` : label), String(index), percent(probability), percent(raw));
  return element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores"},
                 element("table", {}, element("thead", {}, cells("th", "Class", "Number", "Probability", "Raw score")),
                         element("tbody", {}, ...predictions.map(row))));
}

function fact(name, ...values) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, ...values));
}

const milliseconds = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

/** The footer in one line, and behind it everything there is to know. */
function details(job) {
  const {image, predictions, timing_ms: timing} = resultOf(job);
  const model = job.answer.model;
  const total = Object.values(timing).reduce((sum, part) => sum + part, 0);
  const parts = Object.entries(timing).map(([name, value]) => `${name} ${milliseconds(value)}`).join(", ");
  const line = `${model.name} · ${model.precision} · ${model.weights_sha256.slice(0, 8)} · ${milliseconds(total)} ms`;
  const turned = image.orientation_applied ? ", turned upright" : "";
  const frames = image.frames > 1 ? `, the first of ${image.frames} frames` : "";
  return element("details", {class: "more"},
                 element("summary", {}, line),
                 scores(predictions),
                 element("p", {class: "hint"}, "The probability is the raw score after calibration: of answers with 80 %, four of five should be right."),
                 element("dl", {},
                         fact("File", isolated(job.name)),
                         fact("Picture", `${image.format.toUpperCase()}, ${image.width} × ${image.height} pixels${turned}${frames}`),
                         fact("Time", `${milliseconds(total)} ms (${parts})`),
                         fact("Model", isolated(model.name), `, version ${model.version}, ${model.architecture}, ${model.precision}, ${model.engine}`),
                         fact("Weights", element("code", {}, model.weights_sha256)),
                         fact("Request", element("code", {}, job.answer.request_id))));
}
