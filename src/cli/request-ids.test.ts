import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestIds, writtenIds } from "./request-ids.ts";

function idsOf(line: string): ReturnType<typeof writtenIds> {
  return writtenIds(JSON.parse(line), line);
}

test.each(["1", "0", '""', '"é"', "1.5", "9007199254740993", "-0.1e-7", "1e400"])(
  "the id %s is kept as written",
  (id) => {
    expect(idsOf(`{ "id": ${id}, "params": { "requestId":${id} } }`)).toStrictEqual({ id, requestId: id });
  },
);

test("a number that is rounded is found among other numbers and texts", () => {
  const line =
    '{"a":"\\"id\\":1.5\\\\","params":{"id":2.5,"requestId":3.5,"b":[4.50,{"id":5.5}]},"id":9007199254740993}';

  expect(idsOf(line)).toStrictEqual({ id: "9007199254740993", requestId: "3.5" });
});

test.each(["null", "true", "{}", "[1]"])("%s is no id", (id) => {
  expect(idsOf(`{"id":${id},"params":{"requestId":${id}}}`)).toStrictEqual({ id: undefined, requestId: undefined });
});

test("any JSON is looked into", () => {
  fc.assert(
    fc.property(fc.json(), (line) => {
      const { id } = idsOf(line);
      expect(id === undefined || JSON.parse(id) !== undefined).toBe(true);
    }),
  );
});

test("an id of ours is a new one, known until the answer or the cancellation", () => {
  const ids = new RequestIds();

  expect(["1", '"1"', "1", "2"].map((written) => ids.assign(written))).toEqual([1, 2, 3, 4]);
  expect(ids.answer(2)).toBe('"1"');
  expect(ids.answer(2)).toBeUndefined();
  expect(ids.cancel("1")).toBe(3);
  expect(ids.cancel("1")).toBe(1);
  expect(ids.cancel("1")).toBeUndefined();
  expect(ids.answer("x")).toBeUndefined();
});
