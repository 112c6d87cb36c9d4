// Chromium with the page open: what people do, and what they see.
import assert from "node:assert/strict";
import {mkdirSync} from "node:fs";
import path from "node:path";
import {chromium, SCREENSHOTS} from "./tools.mjs";

mkdirSync(SCREENSHOTS, {recursive: true});

export const DESKTOP = {viewport: {width: 1280, height: 860}};
export const PHONE = {viewport: {width: 390, height: 844}, deviceScaleFactor: 2, isMobile: true, hasTouch: true};

let browser;

export async function launch(...args) {
  return chromium.launch({executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
                          args: ["--no-sandbox", "--disable-dev-shm-usage", ...args]});
}

export async function closeBrowser() {
  await browser?.close();
}

/**
 * The page in a context of its own. Everything that goes wrong in it, and every request to another host, is kept and
 * makes `close` fail; `expected` are patterns of console errors that a test provokes.
 */
export async function open(url, {expected = [], wait = true, ...context} = {}) {
  browser ??= await launch();
  const opened = await browser.newContext({...DESKTOP, ...context});
  opened.setDefaultTimeout(60_000);
  const page = await opened.newPage();
  await page.addInitScript(watchPlaces);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.some((pattern) => pattern.test(message.text()))) wrong.push(message.text());
  });
  opened.on("request", (request) => {
    const {protocol, host} = new URL(request.url());
    if (!["data:", "blob:"].includes(protocol) && host !== new URL(url).host) wrong.push(`request to ${request.url()}`);
  });
  await page.goto(url, {waitUntil: wait ? "load" : "commit"});
  return {
    page,
    context: opened,
    async close() {
      await opened.close();
      assert.deepEqual(wrong, []);
    },
  };
}

/** Opens the page, does `what`, and closes it whatever happens. */
export async function withPage(url, options, what) {
  const {page, context, close} = await open(url, options);
  try {
    await what(page, context);
  } catch (error) {
    await screenshot(page, "failure").catch(() => {});
    await context.close();
    throw error;
  }
  await close();
}

export const card = (page, name) => page.locator(".card").filter({has: page.getByRole("heading", {name, exact: true})});

export const inState = (page, state, count = 1) =>
  page.waitForFunction(([wanted, least]) => document.querySelectorAll(`.card[data-state="${wanted}"]`).length >= least, [state, count]);

export const choose = (page, ...files) => page.locator("#image").setInputFiles(files);

/** Real drag and drop of files and folders, as from the desktop. */
export async function drop(page, ...files) {
  const session = await page.context().newCDPSession(page);
  const data = {items: [], files, dragOperationsMask: 1};
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", {type, x: 20, y: 300, data});
  }
  await session.detach();
}

/** Files that exist in the page alone, which may be called whatever a script likes. */
export async function dropMade(page, ...files) {
  await page.evaluate((made) => {
    const transfer = new DataTransfer();
    for (const {name, bytes, type = "image/png"} of made) transfer.items.add(new File([new Uint8Array(bytes)], name, {type}));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
  }, files.map((file) => ({...file, bytes: [...file.bytes]})));
}

/** The whole page, in a window as high as it is: Playwright's own way takes the touch screen away. */
export async function screenshot(page, name) {
  const size = page.viewportSize();
  await page.setViewportSize({width: size.width, height: await page.evaluate(() => document.documentElement.scrollHeight)});
  await page.screenshot({path: path.join(SCREENSHOTS, `${name}.png`), animations: "disabled"});
  await page.setViewportSize(size);
}

/** Remembers where everything was when the last card came, and before that when the page was there. */
function watchPlaces() {
  window.places = () => [...document.querySelectorAll("#upload, #list, .card, .state, #examples, #model")].map((element) => {
    const {left, top, width, height} = element.getBoundingClientRect();
    return [element.id || element.className, left + scrollX, top + scrollY, width, height].map((value) => value.toFixed?.() ?? value).join(" ");
  });
  const remember = () => { window.firstPlaces = window.places(); };
  document.addEventListener("DOMContentLoaded", () => {
    remember();
    const list = document.getElementById("results");
    if (list) new MutationObserver(remember).observe(list, {childList: true});
  });
}

/** Nothing is elsewhere than when the pictures were given: what happens to them moves nothing. */
export async function checkNothingMoved(page, state) {
  const [first, now] = await page.evaluate(() => [window.firstPlaces, window.places()]);
  assert.ok(first.length > 2);
  assert.deepEqual(now, first, `${state} moves`);
}
