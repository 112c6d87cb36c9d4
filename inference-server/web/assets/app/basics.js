// What every other part uses: elements, numbers in words, waiting.

const byId = (id) => document.getElementById(id);

/** An element with attributes; those that begin with "on" are listeners. Texts become text, never HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

function button(text, action, attributes = {}) {
  return element("button", {type: "button", onclick: action, ...attributes}, text);
}

function isolated(text) {
  return element("bdi", {}, text);
}

/** A name without what turns the direction of text, by which "exe" can be made to look like another ending. */
function visible(name) {
  return name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const [unit, value] = bytes < 1048576 ? ["kB", bytes / 1024] : ["MB", bytes / 1048576];
  return `${value < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A probability for people, who are never told "0 %" or "100 %": a model does not know that. */
function percent(probability) {
  const text = (probability * 100).toFixed(1);
  if (text === "100.0") return "> 99.9 %";
  return text === "0.0" ? "< 0.1 %" : `${text} %`;
}

function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Ends after the seconds, when `wake` is called, or when the signal aborts, whatever is first. */
function pause(seconds, signal, takeWake = () => {}) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    takeWake(end);
    signal?.addEventListener("abort", end, {once: true});
  });
}

// ---- what a screen reader says, beside what is seen ----

function announce(text) {
  byId("announcer").textContent = text;
}

/** Without HTTPS there is no clipboard API: then through a selection. */
async function copy(text, pressed) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", {class: "unseen", readonly: true, "aria-hidden": "true"});
    area.value = text;
    document.body.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
    pressed.focus();
  }
  const former = pressed.dataset.text ?? pressed.textContent;
  pressed.dataset.text = former;
  pressed.textContent = copied ? "Copied" : "Not copied";
  announce(copied ? `${former}: done.` : `${former} was not possible.`);
  await pause(2);
  pressed.textContent = former;
}
