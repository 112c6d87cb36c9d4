// Ways to give a picture, the list of results, and what the server is up to.

const form = byId("upload");
const results = byId("results");
const jobs = [];  // as shown, newest first

let nextId = Date.now();
bestCount = Number(form.dataset.topK);
document.documentElement.style.setProperty("--rows", bestCount);
queue.maxBytes = Number(form.dataset.maxBytes);
queue.query = `k=${Math.max(10, bestCount)}`;

// ---- the list ----

function showList() {
  const count = (...states) => jobs.filter((job) => states.includes(job.state)).length;
  const done = count("done"), failed = count("failed"), open = jobs.length - done - failed - count("cancelled");
  byId("list").hidden = jobs.length === 0;
  const parts = open ? [`${done + failed} of ${done + failed + open} done`] : done || !failed ? [plural(done, "result")] : [];
  if (failed) parts.push(plural(failed, "picture") + (failed === 1 ? " needs" : " need") + " a look");
  byId("count").textContent = parts.join(", ");
  byId("save").disabled = done + failed === 0;
  document.title = open ? `(${open}) ${title}` : title;
  return {done, failed, open};
}

const title = document.title;

function showJobs(added) {
  jobs.unshift(...added);
  results.prepend(...added.map(makeCard));
  added.forEach(showState);
  showList();
}

function addFiles(files) {
  const added = [...files].slice(0, mostFiles).map((file) => (
    {id: String(nextId++), file, name: visible(file.name) || "pasted picture", url: URL.createObjectURL(file), state: "waiting"}));
  if (added.length === 0) return announce("There was no picture in that.");
  showJobs(added);
  announce(`${plural(added.length, "picture")} added.`);
  queue.add(added);
  byId("list").scrollIntoView({block: "nearest"});
}

function removeJob(job) {
  const place = jobs.indexOf(job);
  job.removed = true;
  queue.cancel(job);
  jobs.splice(place, 1);
  job.card.remove();
  if (job.url.startsWith("blob:")) URL.revokeObjectURL(job.url);
  tabHistory.remove(job);
  showList();
  (jobs[place] ?? jobs[place - 1])?.card.focus();
  if (jobs.length === 0) byId("image").focus();
}

queue.changed = (job) => {
  showState(job);
  showList();
};
queue.settled = (job) => {
  if (job.removed) return;
  if (job.state === "done") tabHistory.add(job);
  const {done, failed, open} = showList();
  if (open > 0 || queue.running.size > 0) return;
  if (jobs.length > 1) {
    announce(`All done: ${plural(done, "result")}${failed ? `, ${failed} failed` : ""}.`);
  } else if (job.state === "done") {
    const {predictions: [best], certainty} = resultOf(job);
    announce(certainty.sure ? `${job.name}: ${best.label}, ${percent(best.probability)}.` : `${job.name}: ${certainty.note}`);
  } else {
    announce(`${job.name}: ${job.message ?? "cancelled"}`);
  }
};

byId("save").addEventListener("click", () => saveTable(jobs));
byId("clear").addEventListener("click", () => [...jobs].forEach(removeJob));

// ---- ways to give a picture ----

form.addEventListener("submit", (event) => event.preventDefault());
for (const input of [byId("image"), byId("camera")]) {
  input.addEventListener("change", () => {
    addFiles(input.files);
    input.value = "";  // the same file can be chosen again
  });
}

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
const highlight = (on) => document.body.classList.toggle("dragging", on);
let dragEnd;
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    highlight(carriesFiles(event));
    // Nothing tells reliably that a drag has left; while it is there, this comes several times a second.
    clearTimeout(dragEnd);
    dragEnd = setTimeout(() => highlight(false), 1000);
  });
}
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  highlight(false);
  addFiles(await droppedFiles(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length > 0) addFiles(event.clipboardData.files);
});

for (const link of document.querySelectorAll("#examples a")) {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    try {
      const response = await fetch(link.href);
      if (!response.ok) throw new Error(response.status);
      addFiles([new File([await response.blob()], new URL(link.href).pathname.split("/").at(-1), {type: "image/jpeg"})]);
    } catch {
      showNotice("The example could not be loaded: the server does not answer.");
    }
  });
}

// ---- the server ----

function showNotice(text) {
  byId("notice").textContent = text;
}

let modelShown = byId("model").dataset.loaded === "true";
server.listeners.push(async () => {
  const ready = server.state?.ready === true;
  if (navigator.onLine === false) return showNotice("You are offline.");
  if (!ready) return showNotice(`${sentence(server.words())}…`);
  showNotice("");
  if (modelShown) return;
  modelShown = true;
  await freshFromServer("model");
  announce("The model is ready.");
});
window.addEventListener("offline", () => showNotice("You are offline."));
window.addEventListener("online", () => {
  showNotice("");
  server.follow();
});

document.addEventListener("toggle", async (event) => {
  const place = event.target.querySelector?.("[data-classes]");
  if (!place || !event.target.open || place.dataset.filled) return;
  place.dataset.filled = "true";
  try {
    showClasses(place, (await (await fetch(place.dataset.classes)).json()).classes);
  } catch {
    delete place.dataset.filled;
  }
}, true);

const mostClassesShown = 200;

function showClasses(place, classes) {
  const list = element("ul", {class: "classes"});
  const shown = element("p", {class: "hint", role: "status"});
  const input = element("input", {type: "search", id: "class-search", autocomplete: "off", spellcheck: "false"});
  const filter = () => {
    const wanted = input.value.trim().toLowerCase();
    const found = classes.filter(({label}) => label.toLowerCase().includes(wanted));
    list.replaceChildren(...found.slice(0, mostClassesShown).map(({label}) => element("li", {}, isolated(label))));
    shown.textContent = found.length > mostClassesShown ? `The first ${mostClassesShown} of ${plural(found.length, "class", "classes")}.`
                                                        : `${plural(found.length, "class", "classes")}.`;
  };
  input.addEventListener("input", filter);
  filter();
  place.replaceChildren(element("label", {for: "class-search"}, "Find a class"), input, shown, list);
}

byId("command").textContent = curlCommand("picture.jpg");
showJobs(tabHistory.load().map((entry) => ({...entry, state: "done"})));
server.follow();
