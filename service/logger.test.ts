import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

function lineOf(fields: object): string {
  let text = "";
  createLogger({ level: "info", destination: { write: (line) => void (text += line) } }).info(
    fields,
    "event",
  );
  return text;
}

test("members that hold secrets are censored wherever they are passed", () => {
  const secret = "hunter2";
  for (const name of [
    "authorization",
    "key",
    "apiKey",
    "token",
    "nonce",
    "salt",
    "password",
    "body",
    "headers",
  ]) {
    expect(lineOf({ [name]: secret })).not.toContain(secret);
    expect(lineOf({ request: { [name]: secret } })).not.toContain(secret);
  }
});

test("an error is its class, code and place; its message only where the class promises a clean one", () => {
  const error = Object.assign(new TypeError('Unexpected token "hunter2"\nhunter2'), { code: "ERR_X" });
  const line = lineOf({ err: error });
  expect(line).not.toContain("hunter2");
  expect(JSON.parse(line)).toMatchObject({
    err: { name: "TypeError", code: "ERR_X", frames: expect.any(Array) },
  });
  const refused = Object.assign(new Error("hunter2"), {
    code: "contract_reverted",
    detail: "circuit_unknown",
  });
  expect(JSON.parse(lineOf({ err: refused }))).toMatchObject({ err: { detail: "circuit_unknown" } });
  expect(lineOf({ err: Object.assign(refused, { detail: "the hunter2" }) })).not.toContain("hunter2");
  const clean = Object.assign(new Error("the database cannot be reached"), { name: "DatabaseError" });
  expect(lineOf({ err: clean })).toContain("cannot be reached");
  expect(lineOf({ err: new Error("outer", { cause: new Error("hunter2") }) })).not.toContain("hunter2");
});
