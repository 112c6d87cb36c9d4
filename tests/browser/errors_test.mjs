// What goes wrong is told in words beside the picture, and mends itself where it can. See support/tools.mjs.
import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {unlinkSync} from "node:fs";
import path from "node:path";
import {after, test} from "node:test";
import {card, choose, closeBrowser, dropMade, inState, screenshot, withPage} from "./support/browser.mjs";
import {Server, busyServer, credentials, makeCertificate, pictureBytes, proxyBelow, seededModel, waitFor, writeFile} from "./support/server.mjs";
import {PICTURES} from "./support/tools.mjs";

const picture = (name) => path.join(PICTURES, name);
const FAILED = /Failed to load resource/;  // Chromium tells every 4xx and 5xx so
after(closeBrowser);

async function withServer(options, what, how) {
  const server = await Server.start(options, how);
  try {
    await what(server);
  } finally {
    await server.stop();
  }
}

test("what cannot be read is told before it is sent, with what to do", () => withServer(["--max-upload-bytes", "5000"], (server) =>
  withPage(server.url, {}, async (page) => {
    assert.match(await page.locator("#limit").textContent(), /up to 4 kB each/);
    const uploads = [];
    page.on("request", (request) => request.method() === "POST" && uploads.push(request.url()));
    const heic = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from("ftypheic0000")]);
    await dropMade(page, {name: "large.jpg", bytes: randomBytes(5001)}, {name: "page.jpg", bytes: Buffer.from("%PDF-1.7 ...")},
                   {name: "photo.heic", bytes: heic}, {name: "drawing.svg", bytes: Buffer.from("<svg xmlns='x'/>")},
                   {name: "empty.png", bytes: Buffer.alloc(0)});
    await inState(page, "failed", 5);
    const error = (name) => card(page, name).locator(".error").textContent();
    assert.match(await error("large.jpg"), /^Too large: 5,001 bytes, the limit is 5,000 bytes\. Make it smaller/);
    assert.match(await error("page.jpg"), /^This is a PDF.*Export/);
    assert.match(await error("photo.heic"), /HEIC.*Save it as JPEG/);
    assert.match(await error("drawing.svg"), /SVG.*Export it as PNG/);
    assert.match(await error("empty.png"), /empty/);
    assert.deepEqual(uploads, []);
    assert.equal(await page.getByRole("button", {name: /^Try again/}).count(), 0);
    await screenshot(page, "errors-before-sending");
  })));

test("what the server refuses is told in its words, with the request's id and another try", () => withServer([], (server) =>
  withPage(server.url, {expected: [FAILED]}, async (page) => {
    await dropMade(page, {name: "text.jpg", bytes: Buffer.from("just words")},
                   {name: "cut.jpg", bytes: pictureBytes(picture("rgb-444.jpg")).subarray(0, 900)});
    await inState(page, "failed", 2);
    assert.match(await card(page, "text.jpg").locator(".error").textContent(), /JPEG, PNG/);
    assert.match(await card(page, "cut.jpg").locator(".error").textContent(), /ends before it is complete.*Upload the whole file again/);
    const id = /Request ([0-9a-f]{32})/.exec(await card(page, "cut.jpg").textContent())[1];
    assert.ok(server.output.includes(id));
    await card(page, "cut.jpg").getByRole("button", {name: "Try again: cut.jpg"}).click();
    await waitFor("the second try", () => server.output.match(/"status":422/g)?.length === 2);
    await inState(page, "failed", 2);
    await screenshot(page, "errors-of-the-server");
  })));

test("busy: Retry-After is counted down and tried again without being asked", async () => {
  const server = await busyServer(picture("rgb-444.jpg"));
  try {
    await withPage(server.url, {expected: [FAILED]}, async (page) => {
      await choose(page, picture("rgb-444.jpg"));
      await inState(page, "busy");
      assert.match(await page.locator(".state").textContent(), /The server is busy\. Trying again in \d+ s…/);
      await screenshot(page, "busy");
      await waitFor("two more tries", () => (server.output.match(/"status":429/g) ?? []).length >= 3);
      await page.getByRole("button", {name: "Cancel"}).click();
      await inState(page, "cancelled");
      assert.ok(await page.getByRole("button", {name: "Try again: rgb-444.jpg"}).isVisible());
    });
  } finally {
    await server.stop();
  }
});

test("fifty pictures at once all finish through a queue of one, each with its own answer", () =>
  withServer(["--queue-depth", "1"], (server) => withPage(server.url, {expected: [FAILED]}, async (page) => {
    const bytes = pictureBytes(picture("rgb-444.jpg"));
    // Others keep the queue full meanwhile.
    let done = false;
    const others = Array.from({length: 4}, async () => {
      while (!done) await fetch(`${server.url}v1/classify`, {method: "POST", body: bytes});
    });
    await dropMade(page, ...Array.from({length: 50}, (_, index) => ({name: `${index}.jpg`, bytes})));
    await page.waitForFunction(() => document.querySelectorAll('.card[data-state="busy"]').length > 0 ||
                                     document.querySelectorAll('.card[data-state="done"]').length === 50);
    await waitFor("refusals", () => /"status":429/.test(server.output));
    done = true;
    await Promise.all(others);
    await inState(page, "done", 50);
    assert.equal(await page.locator("#count").textContent(), "50 results");
    assert.equal(await page.locator("#announcer").textContent(), "All done: 50 results.");
    assert.equal(await page.locator(".error").count(), 0);
  })));

test("while the model is loaded the page shows the stage, takes pictures and answers them when it is ready", () => {
  const model = seededModel("resnet101");
  return withServer(["--model", model, "--engine", "libtorch", "--threads", "1"], (server) =>
    withPage(server.url, {expected: [FAILED]}, async (page) => {
      assert.match(await page.locator("#model").textContent(), /still being loaded/);
      await page.waitForFunction(() => /^The model is (being loaded|warming up)/.test(document.getElementById("notice").textContent));
      await choose(page, picture("rgb-444.jpg"));
      await inState(page, "busy");
      assert.match(await page.locator(".state").textContent(), /^The model is .*\. Trying again in \d+ s…/);
      await screenshot(page, "starting");
      await inState(page, "done");
      await page.waitForFunction(() => document.getElementById("model").dataset.loaded === "true");
      assert.match(await page.locator("#model").textContent(), /It knows 10 classes/);
      await page.waitForFunction(() => document.getElementById("notice").textContent === "");
    }), {ready: false});
});

test("offline pictures wait and go on by themselves", () => withServer([], (server) =>
  withPage(server.url, {expected: [FAILED, /ERR_INTERNET_DISCONNECTED/]}, async (page, context) => {
    await context.setOffline(true);
    await choose(page, picture("rgb-444.jpg"));
    await inState(page, "offline");
    await page.getByText("You are offline.", {exact: true}).waitFor();
    await screenshot(page, "offline");
    await context.setOffline(false);
    await inState(page, "done");
    await page.waitForFunction(() => document.getElementById("notice").textContent === "");
  })));

test("a server that is gone is waited for, and is asked again when it is back", () => withServer([], async (server) => {
  const proxy = await proxyBelow("/", server);
  try {
    await withPage(proxy.url, {expected: [FAILED]}, async (page) => {
      await page.waitForFunction(() => document.getElementById("model").dataset.loaded === "true");
      const {port} = server;
      server.port = 1;  // nothing listens there: the proxy answers 502
      await choose(page, picture("rgb-444.jpg"));
      await inState(page, "busy");
      assert.match(await page.locator(".state").textContent(), /The server does not answer\. Trying again/);
      server.port = port;
      await page.getByRole("button", {name: "Try now"}).click();
      await inState(page, "done");
    });
  } finally {
    proxy.stop();
  }
}));

test("an upload shows how far it is and can be cancelled and tried again with one click", () => withServer([], (server) =>
  withPage(server.url, {expected: [/ERR_/]}, async (page, context) => {
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    const slow = (bytesPerSecond) => session.send("Network.emulateNetworkConditions",
      {offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytesPerSecond});
    await slow(100_000);
    // A picture, and behind its end much that no decoder looks at.
    await dropMade(page, {name: "slow.jpg", bytes: Buffer.concat([pictureBytes(picture("rgb-444.jpg")), Buffer.alloc(400_000)])});
    await inState(page, "uploading");
    const progress = page.getByRole("progressbar", {name: "Upload of slow.jpg"});
    await page.waitForFunction(() => document.querySelector("progress")?.value > 0.05);
    assert.ok(await progress.evaluate((bar) => bar.value < 1));
    await screenshot(page, "uploading");
    await page.getByRole("button", {name: "Cancel slow.jpg"}).click();
    await inState(page, "cancelled");
    await slow(-1);
    await page.getByRole("button", {name: "Try again: slow.jpg"}).click();
    await inState(page, "done");
  })));

test("not sure is said with the reason when no class stands out", () =>
  withServer(["--model", seededModel("resnet18")], (server) => withPage(server.url, {}, async (page) => {
    await choose(page, picture("grey.png"), picture("rgb.png"));
    await inState(page, "done", 2);
    const answer = await (await page.request.post(`${server.url}v1/classify`, {data: pictureBytes(picture("rgb.png"))})).json();
    const {certainty} = answer.results[0];
    assert.equal(certainty.sure, false);
    assert.equal(await card(page, "rgb.png").locator(".best").textContent(), "Not sure");
    assert.ok((await card(page, "rgb.png").locator(".unsure").textContent()).includes(certainty.note));
    await screenshot(page, "not-sure");
  })));

test("with a password all of it works, and when it has changed the page says what to do", async () => {
  const secret = credentials("access", "pets", "first word");
  await withServer(["--auth-basic-file", secret.folder], (server) =>
    withPage(server.url, {expected: [FAILED], httpCredentials: {username: "pets", password: "first word"}}, async (page) => {
      await page.getByRole("link", {name: "sailboat"}).click();
      await choose(page, picture("rgb-444.jpg"));
      await inState(page, "done", 2);
      assert.match(await page.locator("#command").textContent(), /^curl -u USER --data-binary/);
      secret.change("second word");
      await waitFor("the new password", async () => (await fetch(server.url, {headers: {
        Authorization: `Basic ${Buffer.from("pets:second word").toString("base64")}`}})).status === 200);
      await choose(page, picture("rgb.png"));
      await inState(page, "failed");
      assert.match(await card(page, "rgb.png").locator(".error").textContent(), /user name and a password.*Reload the page, sign in/);
    }));
});

test("over HTTPS all of it works", () => withServer(makeCertificate(), (server) =>
  withPage(server.url, {ignoreHTTPSErrors: true}, async (page) => {
    await page.getByRole("link", {name: "heart"}).click();
    await choose(page, picture("rgb-444.jpg"));
    await inState(page, "done", 2);
    assert.match(await page.locator("#command").textContent(), /'https:\/\//);
  }), {secure: true}));

test("a file that is gone from the disk is told as such", () => withServer([], (server) =>
  withPage(server.url, {expected: [/ERR_/]}, async (page, context) => {
    const file = writeFile("vanishing.jpg", pictureBytes(picture("rgb-444.jpg")));
    await context.setOffline(true);
    await choose(page, file);
    await inState(page, "offline");
    unlinkSync(file);
    await context.setOffline(false);
    await inState(page, "failed");
    assert.match(await page.locator(".error").textContent(), /cannot be read any more/);
  })));
