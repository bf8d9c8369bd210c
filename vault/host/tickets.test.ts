import { expect, it } from "vitest";
import { Tickets } from "./tickets.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });

it("lets each ticket be used once", () => {
  const tickets = new Tickets(() => 0);
  const [one, two] = tickets.draw(2);
  expect(one).toHaveLength(32);
  expect(one).not.toEqual(two);
  tickets.check(one!);
  tickets.consume(one!);
  expect(() => tickets.consume(one!)).toThrow(refusal("ticket_unknown"));
  expect(() => tickets.consume(new Uint8Array(32))).toThrow(refusal("ticket_unknown"));
  tickets.consume(two!);
  expect(tickets.outstanding).toBe(0);
});

it("expires tickets after their lifetime, not before", () => {
  let nowMs = 1000;
  const tickets = new Tickets(() => nowMs, { maxOutstanding: 10, lifetimeMs: 500 });
  const [one, two] = tickets.draw(2);
  nowMs = 1500;
  tickets.consume(one!);
  nowMs = 1501;
  expect(() => tickets.consume(two!)).toThrow(refusal("ticket_expired"));
});

it("drops the oldest where too many are out", () => {
  const tickets = new Tickets(() => 0, { maxOutstanding: 100, lifetimeMs: 500 });
  const drawn = tickets.draw(60).concat(tickets.draw(60));
  expect(tickets.outstanding).toBe(100);
  for (const ticket of drawn.slice(0, 20)) {
    expect(() => tickets.consume(ticket)).toThrow(refusal("ticket_unknown"));
  }
  for (const ticket of drawn.slice(20)) tickets.consume(ticket);
});
