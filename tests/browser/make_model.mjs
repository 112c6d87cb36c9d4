// node make_model.mjs INFERENCE_SERVER FILE: a small demo model, so that answers mean something.
import {execFileSync} from "node:child_process";
import {mkdirSync} from "node:fs";
import path from "node:path";

const [program, file] = process.argv.slice(2);
mkdirSync(path.dirname(file), {recursive: true});
execFileSync(program, ["make-demo-model", "--architecture", "resnet18", "--pictures-per-class", "10", "--output", file], {stdio: "inherit"});
