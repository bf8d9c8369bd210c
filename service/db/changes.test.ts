import { expect, test } from "vitest";
import { Changes } from "./changes.ts";

test("wakes all who wait for a row, once, and nobody else", async () => {
  const changes = new Changes();
  const woken: string[] = [];
  const waiting = ["a", "a", "b"].map((id) => changes.next(id, 10_000).then(() => woken.push(id)));
  changes.tell("c");
  changes.tell("a");
  await Promise.all(waiting.slice(0, 2));
  expect(woken).toEqual(["a", "a"]);
  changes.tell("b");
  await waiting[2];
  expect(woken).toEqual(["a", "a", "b"]);
});

test("ends a wait in which nothing changed", async () => {
  const changes = new Changes();
  const started = performance.now();
  await changes.next("a", 30);
  expect(performance.now() - started).toBeGreaterThanOrEqual(25);
  changes.tell("a");
});
