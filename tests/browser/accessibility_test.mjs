// For everybody: axe in every state, light and dark, phone and desktop, keyboard, no JavaScript. See support/tools.mjs.
import assert from "node:assert/strict";
import path from "node:path";
import {after, before, test} from "node:test";
import {DESKTOP, PHONE, checkNothingMoved, choose, closeBrowser, dropMade, inState, screenshot, withPage} from "./support/browser.mjs";
import {Server, busyServer, pictureBytes} from "./support/server.mjs";
import {PICTURES, axeSource} from "./support/tools.mjs";

const picture = (name) => path.join(PICTURES, name);
const FAILED = /Failed to load resource/;
const axe = axeSource();
let server, busy;

before(async () => {
  [server, busy] = await Promise.all([Server.start(), busyServer(picture("rgb-444.jpg"))]);
});
after(async () => {
  await closeBrowser();
  await Promise.all([server.stop(), busy.stop()]);
});

async function checkWithAxe(page, state) {
  await page.evaluate(axe);
  const {violations} = await page.evaluate(() => window.axe.run(document, {resultTypes: ["violations"]}));
  assert.deepEqual(violations.map(({id, help, nodes}) => `${state}: ${id}, ${help}: ${nodes.map(({target}) => target).join(" ")}`), []);
}

/** Every state by its name: where, and how one gets there. */
const states = {
  empty: [() => server, (page) => page.waitForFunction(() => document.images.length > 0)],
  uploading: [() => server, async (page, context) => {
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 20_000});
    await dropMade(page, ...[1, 2, 3, 4].map((index) => ({name: `slow-${index}.jpg`,
      bytes: Buffer.concat([pictureBytes(picture("rgb-444.jpg")), Buffer.alloc(500_000)])})));
    await inState(page, "uploading", 3);
    await inState(page, "waiting");
  }],
  results: [() => server, async (page) => {
    for (const name of ["sailboat", "heart", "sun"]) await page.getByRole("link", {name}).click();
    await choose(page, picture("rgb-444.jpg"));
    await inState(page, "done", 4);
  }, async (page) => {
    await page.locator(".card summary").first().click();
    await page.getByText("All classes").click();
    await page.getByRole("searchbox").waitFor();
  }],
  "one result": [() => server, async (page) => {
    await page.getByRole("link", {name: "tree"}).click();
    await inState(page, "done");
  }],
  error: [() => server, async (page) => {
    await dropMade(page, {name: "page.pdf", bytes: Buffer.from("%PDF-1.7")}, {name: "cut.jpg", bytes: pictureBytes(picture("rgb-444.jpg")).subarray(0, 900)});
    await inState(page, "failed", 2);
  }],
  busy: [() => busy, async (page) => {
    await choose(page, picture("rgb-444.jpg"));
    await inState(page, "busy");
  }],
};
for (const [state, [where, reach, unfold]] of Object.entries(states)) {
  test(`${state}: axe finds nothing, and nothing moves or sticks out, in light and dark, on phone and desktop`, async () => {
    for (const [form, settings] of [["desktop", DESKTOP], ["phone", PHONE]]) {
      await withPage(where().url, {expected: [FAILED], reducedMotion: "reduce", ...settings}, async (page, context) => {
        await reach(page, context);
        await checkNothingMoved(page, `${state} ${form}`);
        await unfold?.(page);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, `${state} ${form} is too wide`);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({colorScheme, reducedMotion: "reduce"});
          await checkWithAxe(page, `${state} ${colorScheme} ${form}`);
          await screenshot(page, `${state.replace(" ", "-")}-${colorScheme}-${form}`);
        }
      });
    }
  });
}

test("everything that is pressed is at least 44 pixels high and wide", () => withPage(server.url, {...PHONE}, async (page) => {
  await states.results[1](page);
  await states.results[2](page);
  const small = await page.evaluate(() => {
    const pressed = document.querySelectorAll("button, label.button, summary, input[type=search], header a, footer a, #examples a");
    return [...pressed].filter((element) => element.checkVisibility())
      .map((element) => [element.textContent || element.id, element.getBoundingClientRect()])
      .filter(([, {width, height}]) => width < 44 || height < 43.9).map(([text, {width, height}]) => `${text}: ${width} x ${height}`);
  });
  assert.deepEqual(small, []);
}));

test("the keyboard alone reaches everything, and the focus is never lost", () => withPage(server.url, {}, async (page) => {
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.id);
  const tabTo = async (wanted) => {
    for (let presses = 0; presses < 60; ++presses) {
      await page.keyboard.press("Tab");
      if (wanted.test(await focused())) return;
    }
    assert.fail(`Tab does not reach ${wanted}`);
  };
  page.on("filechooser", () => {});  // from here on dialogs are the test's, not the system's
  await tabTo(/^image$/);
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Space")]);
  await chooser.setFiles([picture("rgb-444.jpg"), picture("grey.png")]);
  await inState(page, "done", 2);
  await tabTo(/^heart$/);
  await page.keyboard.press("Enter");
  await inState(page, "done", 3);
  await page.locator("h1").click();
  await tabTo(/^Remove$/);
  await page.keyboard.press("Enter");
  assert.ok(await page.evaluate(() => document.activeElement.matches(".card")));
  for (let left = 2; left > 0; --left) {
    await tabTo(/^Remove$/);
    await page.keyboard.press("Enter");
  }
  assert.equal(await focused(), "image");
}));

test("a screen reader is told when pictures are added and what became of them, not of every step between", () =>
  withPage(server.url, {}, async (page) => {
    await page.evaluate(() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.getElementById("announcer").textContent))
        .observe(document.getElementById("announcer"), {childList: true, characterData: true, subtree: true});
    });
    await page.getByRole("link", {name: "sailboat"}).click();
    await inState(page, "done");
    await choose(page, ...Array.from({length: 6}, () => picture("rgb-444.jpg")));
    await inState(page, "done", 7);
    const said = await page.evaluate(() => window.said);
    assert.equal(said[0], "1 picture added.");
    assert.match(said[1], /^sailboat\.jpg: sailboat, \d+\.\d %\.$/);
    assert.deepEqual(said.slice(2), ["6 pictures added.", "All done: 7 results."]);
    assert.equal(await page.locator("#announcer").getAttribute("aria-live"), "polite");
  }));

test("nothing moves for those who want less motion, and something does for others", async () => {
  for (const reducedMotion of ["reduce", "no-preference"]) {
    await withPage(server.url, {reducedMotion}, async (page, context) => {
      await states.uploading[1](page, context);
      await page.locator(".state").first().evaluate((place) => place.append(document.createElement("progress")));
      const moving = await page.evaluate(() => document.getAnimations().length);
      assert.equal(moving > 0, reducedMotion === "no-preference");
    });
  }
});

test("from right to left nothing is cut off, and bars begin at the right", () => withPage(server.url, {...PHONE}, async (page) => {
  await page.evaluate(() => { document.documentElement.dir = "rtl"; });
  await states.results[1](page);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
  const [label, percent] = await page.locator(".predictions li").first().evaluate((row) => [...row.children].map((child) => child.getBoundingClientRect().left));
  assert.ok(label > percent);
  await screenshot(page, "right-to-left");
}));

test("with forced colours the bars keep a colour of their own", () => withPage(server.url, {forcedColors: "active"}, async (page) => {
  await states.results[1](page);
  assert.equal(await page.locator("meter").first().evaluate((meter) => getComputedStyle(meter).appearance), "auto");
  await checkWithAxe(page, "forced colours");
  await screenshot(page, "forced-colours");
}));

test("without JavaScript a form brings the results as a page with the same words", async () => {
  for (const [look, settings] of [["desktop", {colorScheme: "dark", ...DESKTOP}], ["phone", {colorScheme: "light", ...PHONE}]]) {
    await withPage(server.url, {javaScriptEnabled: false, expected: [FAILED], ...settings}, async (page) => {
      assert.ok(await page.locator("#image").isVisible());
      assert.ok(!(await page.getByText("Drop pictures anywhere").isVisible()));
      await screenshot(page, `no-javascript-${look}`);
      await choose(page, picture("rgb-444.jpg"), picture("exif-6.jpg"));
      await page.getByRole("button", {name: "Classify"}).click();
      await page.getByRole("heading", {name: "Results"}).waitFor();
      assert.equal(await page.getByRole("meter").count(), 10);
      assert.match(await page.locator("#model").textContent(), /Demo model: it knows 12 kinds/);
      await screenshot(page, `no-javascript-results-${look}`);
      await page.goBack();
      await choose(page, {name: "<b>.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF")});
      await page.getByRole("button", {name: "Classify"}).click();
      await page.getByRole("alert").waitFor();
      await page.getByRole("link", {name: "Classify another picture"}).click();
      await page.getByRole("heading", {name: "What is in this picture?"}).waitFor();
    });
  }
});
