import { expect, test } from "vitest";
import { newContest } from "../../src/node/contest.ts";

const often = Array.from({ length: 12 }, (_, index) => index * 500);

test("what is repaired a few times is said each time, and repaired soon", () => {
  const contest = newContest();
  for (const now of often.slice(0, 9)) {
    expect(contest.repaired("made route", now)).toBe("made route");
    expect(contest.pauseMs(now)).toBe(200);
  }
});

test("what is undone time and again is said to be so once, and repaired more slowly", () => {
  const contest = newContest();
  const said = often.map((now) => contest.repaired("made route", now));
  expect(said.slice(0, 9)).toEqual(Array(9).fill("made route"));
  expect(said[9]).toMatch(/^made route: for the 10th time in a row, so another program undoes it/);
  expect(said.slice(10)).toEqual([undefined, undefined]);
  expect(contest.pauseMs(6000)).toBe(1500);
});

test("it ends with another repair", () => {
  const contest = newContest();
  for (const now of often) contest.repaired("made route", now);
  expect(contest.repaired("made link", 6000)).toBe("made link");
  expect(contest.pauseMs(6000)).toBe(200);
});

test("it ends when nothing had to be repaired for a while", () => {
  const contest = newContest();
  for (const now of often) contest.repaired("made route", now);
  expect(contest.pauseMs(16_000)).toBe(200);
  expect(contest.repaired("made route", 16_000)).toBe("made route");
});
