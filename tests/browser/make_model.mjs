// node make_model.mjs INFERENCE_SERVER FILE: a small demo model, so that answers mean something.
import {execFileSync} from "node:child_process";
import {mkdirSync, statSync} from "node:fs";
import path from "node:path";

const [program, file] = process.argv.slice(2);
mkdirSync(path.dirname(file), {recursive: true});
const age = (name) => statSync(name, {throwIfNoEntry: false})?.mtimeMs ?? 0;
if (age(file) > age(program)) process.exit(0);  // the same program makes the same file
execFileSync(program, ["make-demo-model", "--architecture", "resnet18", "--pictures-per-class", "10", "--output", file], {stdio: "inherit"});
