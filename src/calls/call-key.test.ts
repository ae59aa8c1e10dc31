import { expect, test } from "vitest";
import { toolInputSchema } from "../schemas.ts";
import { callKey } from "./call-key.ts";

type Input = Readonly<Record<string, unknown>>;

const keyOf = (input: Input): string => {
  const parsed = toolInputSchema.parse({ prompt: "a cat", ...input });
  return callKey(parsed, parsed.output_dir);
};

const LIVE = { model: "image-01-live" };
const SIZE = { width: 512, height: 1024 };
const reference = (image_file: string): Input => ({ type: "character", image_file });

test.each<[string, Input, Input]>([
  ["the order of keys", { seed: 1, n: 2 }, { n: 2, seed: 1 }],
  ["a spelled-out count", {}, { n: 1 }],
  ["a spelled-out ratio", {}, { aspect_ratio: "1:1" }],
  ["a spelled-out model", {}, { model: "image-01" }],
  ["flags that are off", {}, { prompt_optimizer: false, return_images: false, response_format: "base64" }],
  ["white space around the prompt", {}, { prompt: " a cat\n" }],
  ["an image extension of the name", { filename: "fox" }, { filename: "fox.jpeg" }],
  ["an extension in capitals", { filename: "fox.PNG" }, { filename: "fox" }],
  ["a ratio that the size overrides", SIZE, { ...SIZE, aspect_ratio: "16:9" }],
  [
    "a spelled-out weight of a style",
    { ...LIVE, style: { style_type: "漫画" } },
    { ...LIVE, style: { style_weight: 0.8, style_type: "漫画" } },
  ],
  [
    "the order of keys in a reference",
    { subject_reference: [{ image_file: "a.png", type: "character" }] },
    { subject_reference: [reference("a.png")] },
  ],
  ["a parameter the tool does not have", {}, { negative_prompt: "dogs" }],
])("the key of a call does not change with %s", (_difference, left, right) => {
  expect(keyOf(left)).toBe(keyOf(right));
});

test("the key of a call differs with every parameter the tool has", () => {
  const inputs: Input[] = [
    { prompt: "a cat" },
    { prompt: "a dog" },
    { aspect_ratio: "16:9" },
    { n: 2 },
    { seed: 0 },
    { response_format: "url" },
    { prompt_optimizer: true },
    { subject_reference: [reference("a.png")] },
    { subject_reference: [reference("b.png")] },
    { subject_reference: [reference("a.png"), reference("b.png")] },
    { output_dir: "a" },
    { filename: "a" },
    SIZE,
    { width: 1024, height: 512 },
    LIVE,
    { ...LIVE, style: { style_type: "漫画" } },
    { ...LIVE, style: { style_type: "水彩" } },
    { ...LIVE, style: { style_type: "漫画", style_weight: 0.5 } },
    { aigc_watermark: true },
    { aigc_watermark: false },
    { return_images: true },
  ];

  expect(new Set(inputs.map(keyOf)).size).toBe(inputs.length);
  const named = new Set(inputs.flatMap((input) => Object.keys(input)));
  expect(Object.keys(toolInputSchema.shape).filter((key) => !named.has(key))).toEqual([]);
});
