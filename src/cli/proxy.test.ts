import { describe, expect, test } from "vitest";
import { redactProxy } from "./proxy.ts";

describe("a proxy is shown", () => {
  test("without the user and the password", () => {
    expect(redactProxy({ https: "http://ada:secret@proxy.example:3128", http: undefined, none: "" })).toBe(
      "http://proxy.example:3128/",
    );
  });

  test("as the one for https where both are set", () => {
    expect(redactProxy({ https: "https://a.example", http: "http://b.example", none: "" })).toBe("https://a.example/");
  });

  test("as the one for http where it is the only one", () => {
    expect(redactProxy({ https: undefined, http: "http://:secret@b.example", none: "" })).toBe("http://b.example/");
  });

  test("not at all where none is set", () => {
    expect(redactProxy({ https: undefined, http: undefined, none: "*" })).toBeUndefined();
  });
});
