import { expect, test } from "vitest";
import { toolInputSchema } from "../schemas.ts";
import { callKey } from "./call-key.ts";

const keyOf = (input: Readonly<Record<string, unknown>>): string => {
  const parsed = toolInputSchema.parse(input);
  return callKey(parsed, parsed.output_dir);
};

const LIVE = { prompt: "a cat", model: "image-01-live" };
const reference = (image_file: string): unknown => ({ type: "character", image_file });

test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
  ["the order of keys", { prompt: "a cat", seed: 1, n: 2 }, { n: 2, seed: 1, prompt: "a cat" }],
  ["a spelled-out count", { prompt: "a cat" }, { prompt: "a cat", n: 1 }],
  ["a spelled-out ratio", { prompt: "a cat" }, { prompt: "a cat", aspect_ratio: "1:1" }],
  ["white space around the prompt", { prompt: "a cat" }, { prompt: " a cat\n" }],
  ["an extension in capitals", { prompt: "a cat", filename: "fox.PNG" }, { prompt: "a cat", filename: "fox" }],
  [
    "the flags that are off",
    { prompt: "a cat" },
    { prompt: "a cat", prompt_optimizer: false, return_images: false, response_format: "base64" },
  ],
  [
    "a ratio that the size overrides",
    { prompt: "a cat", width: 512, height: 1024 },
    { prompt: "a cat", width: 512, height: 1024, aspect_ratio: "16:9" },
  ],
  ["an image extension of the name", { prompt: "a cat", filename: "fox" }, { prompt: "a cat", filename: "fox.jpeg" }],
  ["a spelled-out model", { prompt: "a cat" }, { prompt: "a cat", model: "image-01" }],
  [
    "a spelled-out weight of a style",
    { ...LIVE, style: { style_type: "漫画" } },
    { ...LIVE, style: { style_weight: 0.8, style_type: "漫画" } },
  ],
  [
    "the order of keys in a reference",
    { prompt: "a cat", subject_reference: [{ image_file: "a.png", type: "character" }] },
    { prompt: "a cat", subject_reference: [reference("a.png")] },
  ],
  ["a parameter the tool does not have", { prompt: "a cat" }, { prompt: "a cat", negative_prompt: "dogs" }],
])("the key of a call does not change with %s", (_difference, left, right) => {
  expect(keyOf(left)).toBe(keyOf(right));
});

test("the key of a call differs with every parameter the tool has", () => {
  const inputs: Record<string, unknown>[] = [
    { prompt: "a cat" },
    { prompt: "a cat", aspect_ratio: "16:9" },
    { prompt: "a cat", n: 2 },
    { prompt: "a cat", seed: 0 },
    { prompt: "a cat", response_format: "url" },
    { prompt: "a cat", prompt_optimizer: true },
    { prompt: "a cat", subject_reference: [reference("a.png")] },
    { prompt: "a cat", subject_reference: [reference("b.png")] },
    { prompt: "a cat", subject_reference: [reference("a.png"), reference("b.png")] },
    { prompt: "a cat", output_dir: "a" },
    { prompt: "a cat", filename: "a" },
    { prompt: "a cat", width: 512, height: 1024 },
    { prompt: "a cat", width: 1024, height: 512 },
    { ...LIVE },
    { ...LIVE, style: { style_type: "漫画" } },
    { ...LIVE, style: { style_type: "水彩" } },
    { ...LIVE, style: { style_type: "漫画", style_weight: 0.5 } },
    { prompt: "a cat", aigc_watermark: true },
    { prompt: "a cat", aigc_watermark: false },
    { prompt: "a cat", return_images: true },
  ];

  expect(new Set(inputs.map(keyOf)).size).toBe(inputs.length);
  const named = new Set(inputs.flatMap((input) => Object.keys(input)));
  expect(Object.keys(toolInputSchema.shape).filter((key) => !named.has(key) && key !== "style")).toEqual([]);
});
