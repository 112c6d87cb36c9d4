// Giving pictures to the upload page, and what it makes of the answers. See support/tools.mjs for the arguments.
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {copyFileSync, mkdirSync, readFileSync} from "node:fs";
import path from "node:path";
import {after, before, test} from "node:test";
import {PHONE, card, choose, closeBrowser, drop, dropMade, inState, launch, screenshot, withPage} from "./support/browser.mjs";
import {FOLDER, Server, pictureBytes, proxyBelow, writeFile} from "./support/server.mjs";
import {PICTURES, PROGRAM} from "./support/tools.mjs";

const picture = (name) => path.join(PICTURES, name);
let server, drawn;

before(async () => {
  server = await Server.start();
  execFileSync(PROGRAM, ["draw-pictures", "--output", path.join(FOLDER, "drawn"), "--per-class", "2"]);
  drawn = (label, index = 0) => path.join(FOLDER, `drawn/${label}/${label}-00${index}.jpg`);
});
after(async () => {
  await closeBrowser();
  await server.stop();
});

const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());
const labelsOf = (place) => place.locator(".predictions .label").allTextContents();

test("many chosen pictures get a card each, with preview, bars in order and real meters", () => withPage(server.url, {}, async (page) => {
  await choose(page, drawn("sailboat"), drawn("heart"), drawn("tree"));
  await inState(page, "done", 3);
  assert.deepEqual(await page.locator(".card h3").allTextContents(), ["sailboat-000.jpg", "heart-000.jpg", "tree-000.jpg"]);
  const sailboat = card(page, "sailboat-000.jpg");
  assert.equal(await sailboat.locator(".best").textContent(), "sailboat");
  assert.ok(await sailboat.getByAltText("Preview of sailboat-000.jpg").evaluate((image) => image.naturalWidth > 0));
  const meters = sailboat.getByRole("meter");
  assert.equal(await meters.count(), 5);
  const values = await meters.evaluateAll((all) => all.map((meter) => meter.value));
  assert.deepEqual(values, values.toSorted((a, b) => b - a));
  assert.equal(await sailboat.getByRole("meter", {name: "sailboat"}).count(), 1);
  for (const text of await sailboat.locator(".predictions .percent").allTextContents()) assert.match(text, /^(> |< )?\d{1,2}\.\d %$/);
  assert.equal(await page.locator("#count").textContent(), "3 results");
}));

test("pictures can be dropped anywhere, also a folder of them, and a dropped text does nothing", () => withPage(server.url, {}, async (page) => {
  await drop(page, drawn("house"));
  await inState(page, "done", 1);
  const folder = path.join(FOLDER, "folder/inner");
  mkdirSync(folder, {recursive: true});
  copyFileSync(drawn("sun"), path.join(folder, "sun.jpg"));
  copyFileSync(drawn("star"), path.join(folder, "..", "star.jpg"));
  writeFile("folder/.hidden", "x");
  await drop(page, path.join(FOLDER, "folder"));
  await inState(page, "done", 3);
  assert.deepEqual((await page.locator(".card h3").allTextContents()).toSorted(), ["house-000.jpg", "star.jpg", "sun.jpg"]);
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.setData("text/plain", "no picture");
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
  });
  await page.waitForFunction(() => document.getElementById("announcer").textContent === "There was no picture in that.");
  assert.equal(await page.locator(".card").count(), 3);
}));

test("the whole window shows that a drag of files may be let go", () => withPage(server.url, {}, async (page) => {
  const session = await page.context().newCDPSession(page);
  const drag = (type) => session.send("Input.dispatchDragEvent", {type, x: 20, y: 300,
    data: {items: [], files: [drawn("house")], dragOperationsMask: 1}});
  await drag("dragEnter");
  await drag("dragOver");
  await page.getByText("Drop to classify").waitFor();
  await page.getByText("Drop to classify").waitFor({state: "hidden"});  // nothing is dragged over it any more
}));

test("a picture can be pasted from the clipboard", () =>
  withPage(server.url, {permissions: ["clipboard-read", "clipboard-write"]}, async (page) => {
    await page.evaluate(async (bytes) => {
      await navigator.clipboard.write([new ClipboardItem({"image/png": new Blob([new Uint8Array(bytes)], {type: "image/png"})})]);
    }, [...pictureBytes(picture("rgb.png"))]);
    await page.keyboard.press("Control+V");
    await inState(page, "done");
    assert.equal(await page.locator(".card").count(), 1);
  }));

test("a phone offers its camera, a desktop does not", async () => {
  await withPage(server.url, PHONE, async (page) => {
    assert.ok(await page.getByText("Take a photo").isVisible());
    assert.equal(await page.locator("#camera").getAttribute("capture"), "environment");
    await page.locator("#camera").setInputFiles(drawn("sun"));
    await inState(page, "done");
  });
  await withPage(server.url, {}, async (page) => assert.ok(!(await page.getByText("Take a photo").isVisible())));
});

test("a rotated phone photo is upright in preview and answer", () => withPage(server.url, {}, async (page) => {
  await choose(page, picture("exif-1.jpg"), picture("exif-6.jpg"));
  await inState(page, "done", 2);
  // Both store the same pixels, of which the second one says that they lie on their side: its left edge is the top.
  const quarters = (image) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2, 2];
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, 2, 2);
    return [image.naturalWidth / image.naturalHeight, ...context.getImageData(0, 0, 2, 2).data];
  };
  const [stored, turned] = await Promise.all(["exif-1.jpg", "exif-6.jpg"].map(
    (name) => card(page, name).locator("img").evaluate(quarters)));
  const [ratio, ...corners] = stored;
  const [topLeft, topRight, bottomLeft, bottomRight] = [0, 4, 8, 12].map((begin) => corners.slice(begin, begin + 4));
  const expected = [1 / ratio, ...bottomLeft, ...topLeft, ...bottomRight, ...topRight];
  expected.forEach((value, place) => assert.ok(Math.abs(value - turned[place]) <= (place === 0 ? 0.01 : 4), `${expected}\n${turned}`));
  // What is seen is what is classified: the preview's pixels get the same answer.
  const seen = await card(page, "exif-6.jpg").locator("img").evaluate(async (image) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    return [...new Uint8Array(await blob.arrayBuffer())];
  });
  await dropMade(page, {name: "seen.png", bytes: seen});
  await inState(page, "done", 3);
  assert.deepEqual(await labelsOf(card(page, "seen.png")), await labelsOf(card(page, "exif-6.jpg")));
  await card(page, "exif-6.jpg").locator("summary").click();
  assert.match(await card(page, "exif-6.jpg").locator("dl").textContent(), /turned upright/);
}));

test("an example gives its result at one click, by a picture that the server has drawn", () => withPage(server.url, {}, async (page) => {
  await page.getByRole("link", {name: "sailboat"}).click();
  await inState(page, "done");
  assert.equal(await card(page, "sailboat.jpg").locator(".best").textContent(), "sailboat");
}));

test("footer and details name model, precision, digest, time, and raw scores on demand", () => withPage(server.url, {}, async (page) => {
  await choose(page, drawn("heart"));
  await inState(page, "done");
  const {model} = await (await page.request.get(`${server.url}readyz`)).json();
  const place = card(page, "heart-000.jpg");
  const line = await place.locator("summary").textContent();
  assert.match(line, new RegExp(`^${model.name} · ${model.precision} · ${model.weights_sha256.slice(0, 8)} · [\\d.]+ ms$`));
  const raw = place.locator("th", {hasText: "Raw score"});
  assert.ok(!(await raw.isVisible()));
  await place.locator("summary").click();
  assert.ok(await raw.isVisible());
  assert.equal(await place.locator("tbody tr").count(), 10);
  assert.match(await place.locator("dl").textContent(), new RegExp(`${model.weights_sha256}`));
}));

test("an answer can be copied as JSON, and as a curl command that works in a shell", () =>
  withPage(server.url, {permissions: ["clipboard-read", "clipboard-write"]}, async (page) => {
    const name = "it's a $(touch broken) `photo`.jpg";
    copyFileSync(drawn("spiral"), path.join(FOLDER, name));
    await choose(page, path.join(FOLDER, name));
    await inState(page, "done");
    await page.getByRole("button", {name: "Copy JSON"}).click();
    await page.getByRole("button", {name: "Copied"}).waitFor();
    const answer = JSON.parse(await clipboard(page));
    assert.equal(answer.results[0].predictions[0].label, await page.locator(".predictions .label").first().textContent());
    await page.getByRole("button", {name: "Copy curl"}).click();
    await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("curl"));
    const printed = execFileSync("sh", ["-c", await clipboard(page)], {cwd: FOLDER, stdio: ["ignore", "pipe", "ignore"]});
    assert.equal(JSON.parse(printed).results[0].predictions[0].label, answer.results[0].predictions[0].label);
    assert.throws(() => readFileSync(path.join(FOLDER, "broken")));
  }));

test("copying works without HTTPS too, where browsers have no clipboard for pages", async () => {
  // Addresses of this machine count as secure; another name does not.
  const other = await launch("--host-resolver-rules=MAP classifier.test 127.0.0.1");
  const page = await (await other.newContext()).newPage();
  await page.goto(`http://classifier.test:${server.port}/`);
  assert.equal(await page.evaluate(() => navigator.clipboard), undefined);
  await choose(page, drawn("tree"));
  await inState(page, "done");
  await page.getByRole("button", {name: "Copy JSON"}).click();
  await page.getByRole("button", {name: "Copied"}).waitFor();
  await page.evaluate(() => document.body.append(document.createElement("textarea")));
  await page.locator("body > textarea").focus();
  await page.keyboard.press("Control+V");
  assert.equal(JSON.parse(await page.locator("body > textarea").inputValue()).results.length, 1);
  await other.close();
});

test("results stay in this tab over a reload, are in no other tab, and can be cleared", () => withPage(server.url, {}, async (page, context) => {
  await choose(page, drawn("star"), drawn("rings"));
  await inState(page, "done", 2);
  await page.waitForFunction(() => JSON.parse(sessionStorage.getItem("results") ?? "[]").length === 2);
  await page.reload();
  await inState(page, "done", 2);
  assert.equal(await card(page, "star-000.jpg").locator(".best").textContent(), "star");
  assert.ok(await card(page, "star-000.jpg").locator("img").evaluate((image) => image.naturalWidth > 0));
  const other = await context.newPage();
  await other.goto(server.url);
  assert.equal(await other.locator(".card").count(), 0);
  await page.getByRole("button", {name: "Remove star-000.jpg"}).click();
  assert.equal(await page.locator(".card").count(), 1);
  await page.getByRole("button", {name: "Clear"}).click();
  await page.reload();
  assert.equal(await page.locator(".card").count(), 0);
}));

test("a batch can be saved as a table in which no cell is a formula", () => withPage(server.url, {}, async (page) => {
  const bytes = pictureBytes(drawn("sun"));
  await dropMade(page, {name: "=1+1,\"quoted\".jpg", bytes}, {name: "plain.jpg", bytes}, {name: "@a.pdf", bytes: Buffer.from("%PDF-1.7")});
  await inState(page, "done", 2);
  await inState(page, "failed");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", {name: "Save as CSV"}).click()]);
  assert.equal(download.suggestedFilename(), "classified.csv");
  const rows = readFileSync(await download.path(), "utf8").split("\r\n");
  assert.equal(rows[0], "\ufefffile,rank,label,index,wnid,probability,probability_raw,sure,error,model,precision,weights_sha256");
  assert.match(rows[1], /^"'=1\+1,""quoted""\.jpg",1,sun,\d+,,0\.\d+,0\.\d+,true,,resnet18,/);
  assert.equal(rows.filter((row) => row.startsWith("plain.jpg,")).length, 10);
  assert.ok(rows.some((row) => /^'@a\.pdf,,,,,,,,"?This is a PDF/.test(row)), rows.join("\n"));
}));

test("hostile file names are text: markup, other directions, very long", () => withPage(server.url, {}, async (page) => {
  const names = ["<img src=x onerror=alert(1)>.jpg", "\u202egpj.exe\u2066", `${"very long ".repeat(1000)}.jpg`, "ישראל.jpg"];
  await dropMade(page, ...names.map((name) => ({name, bytes: pictureBytes(picture("rgb.png"))})));
  await inState(page, "done", 4);
  const headings = await page.locator(".card h3").evaluateAll((all) => all.map((heading) => ({
    text: heading.textContent, title: heading.title, lines: heading.getBoundingClientRect().height, children: heading.children.length})));
  headings.forEach(({text, title, lines, children}, place) => {
    // What turns the direction of text, so that an .exe looks like a .jpg, is seen.
    const expected = names[place].replace(/[\u202e\u2066]/g, "\ufffd");
    assert.equal(text, expected);
    assert.equal(title, expected);
    assert.equal(children, 0);
    assert.ok(lines < 40, `${lines} px`);
  });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await screenshot(page, "hostile-names");
}));

test("hostile labels are text: markup, other directions, very long", async () => {
  const labels = ["<script>alert(1)</script>", "\u200fימין", `${"x".repeat(990)}`, "\"><img src=x>", "&amp;", ...Array.from({length: 7}, (_, i) => `plain ${i}`)];
  const hostile = await Server.start(["--labels", writeFile("labels.txt", labels.join("\n") + "\n")]);
  try {
    await withPage(hostile.url, {}, async (page) => {
      await choose(page, drawn("checkerboard"), drawn("brick-wall"), drawn("heart"));
      await inState(page, "done", 3);
      const shown = await page.locator(".predictions .label").allTextContents();
      assert.ok(shown.every((label) => labels.includes(label)));
      assert.ok(shown.some((label) => label.startsWith("<script>")) && shown.some((label) => label.startsWith("xxx")));
      assert.equal(await page.locator(".predictions script, .predictions img").count(), 0);
      await page.getByText("All classes").click();
      await page.getByRole("searchbox", {name: "Find a class"}).waitFor();
      assert.deepEqual(await page.locator(".classes li").allTextContents(), labels);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
      await screenshot(page, "hostile-labels");
    });
  } finally {
    await hostile.stop();
  }
});

test("the page says what the model knows, and finds a class in it", () => withPage(server.url, {}, async (page) => {
  assert.match(await page.locator("#model").textContent(), /Demo model: it knows 12 kinds of drawn pictures/);
  await page.getByText("All classes").click();
  await page.getByRole("searchbox", {name: "Find a class"}).fill("SA");
  assert.deepEqual(await page.locator(".classes li").allTextContents(), ["sailboat"]);
}));

test("all of it works behind a path prefix, nothing comes from another host", async () => {
  const proxy = await proxyBelow("/models/pets/", server);
  try {
    await withPage(proxy.url, {}, async (page) => {
      await page.getByRole("link", {name: "heart"}).click();
      await choose(page, drawn("rings"));
      await inState(page, "done", 2);
      assert.match(await page.locator("#command").textContent(), /models\/pets\/v1\/classify'$/);
      await page.getByRole("link", {name: "For programs"}).click();
      await page.getByRole("heading", {name: "POST /v1/classify"}).waitFor();
      await page.getByRole("link", {name: "Image classifier"}).click();
      await page.getByRole("heading", {name: "What is in this picture?"}).waitFor();
    });
    await withPage(proxy.url, {javaScriptEnabled: false}, async (page) => {
      await page.locator("#image").setInputFiles([drawn("heart")]);
      await page.getByRole("button", {name: "Classify"}).click();
      assert.match(await page.locator("main").textContent(), /heart/);
      await page.getByRole("link", {name: "Classify another picture"}).click();
      await page.getByRole("heading", {name: "What is in this picture?"}).waitFor();
    });
  } finally {
    proxy.stop();
  }
});
