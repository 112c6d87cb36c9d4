// The npm packages of package-lock.json, where scripts/browser-tools has put them, and what every test is told:
// node TEST.mjs INFERENCE_SERVER WRITE_SEEDED_MODEL DEMO_MODEL SCREENSHOTS
import {execFileSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const [PROGRAM, WRITE_SEEDED_MODEL, DEMO_MODEL, SCREENSHOTS] = process.argv.slice(2);
export const PICTURES = path.join(ROOT, "tests/inference-server/goldens/pictures");

const folder = execFileSync(path.join(ROOT, "scripts/browser-tools"), {encoding: "utf8"}).trim();
const require = createRequire(path.join(folder, "package.json"));

export const {chromium} = require("playwright-core");
export const axeSource = () => readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const loadLighthouse = () => import(pathToFileURL(path.join(folder, "node_modules/lighthouse/core/index.js")));
