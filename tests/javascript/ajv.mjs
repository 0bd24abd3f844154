// Which of some values ajv takes, as a JSON list. On standard input: {"schema": ..., "values": [...]}.
// The argument is the folder that holds node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const Ajv = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats");

const { schema, values } = JSON.parse(readFileSync(0, "utf8"));
// Strict, but for what one rule may leave to another.
const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false });
addFormats(ajv);
const validate = ajv.compile(schema);
console.log(JSON.stringify(values.map((value) => validate(value))));
