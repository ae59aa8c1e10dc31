import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { toolInputSchema } from "../schemas.ts";
import { readImageHeader } from "../utils/image-header.ts";
import type { ReadReference } from "./references.ts";
import { toRequest } from "./request.ts";

const DEFAULTS = { model: "image-01", prompt: "a cat", response_format: "base64", n: 1, prompt_optimizer: false };
const LINK = "https://example.com/face.jpg";
const IMAGE = bigJpeg(500);
const NOT_SENT = ["output_dir", "filename", "return_images"];

const readImage: ReadReference = () => {
  const header = readImageHeader(IMAGE);
  if (header === undefined) throw new Error("It is no image.");
  return Promise.resolve({ bytes: IMAGE, header });
};

/** The request as it goes over the wire. */
async function sentFor(input: Readonly<Record<string, unknown>>): Promise<unknown> {
  return JSON.parse(JSON.stringify(await toRequest(toolInputSchema.parse({ prompt: "a cat", ...input }), readImage)));
}

test("the request holds everything that was given", async () => {
  const given = {
    prompt: "  a cat\n",
    aspect_ratio: "16:9",
    n: 9,
    seed: 0,
    response_format: "url",
    prompt_optimizer: true,
    model: "image-01-live",
    style: { style_type: "漫画", style_weight: 0.3 },
    aigc_watermark: false,
  };

  expect(await sentFor(given)).toEqual(given);
});

test("an exact size takes the place of the aspect ratio", async () => {
  expect(await sentFor({ aspect_ratio: "16:9", width: 1024, height: 512 })).toEqual({
    ...DEFAULTS,
    width: 1024,
    height: 512,
  });
});

test("every parameter is either sent or on the list of the others", async () => {
  const sent = Object.keys(await toRequest(toolInputSchema.parse({ prompt: "a cat" }), readImage));

  expect([...sent, ...NOT_SENT].toSorted()).toEqual(Object.keys(toolInputSchema.shape).toSorted());
});

test("defaults are sent; parameters of this server and unknown ones are not", async () => {
  const own = { output_dir: "images", filename: "hero", return_images: true, negative_prompt: "dogs" };

  expect(await sentFor(own)).toEqual({ ...DEFAULTS, aspect_ratio: "1:1" });
});

test("references keep their order, files as data URLs", async () => {
  const subject_reference = ["face.jpeg", LINK].map((image_file) => ({ type: "character", image_file }));

  expect(await sentFor({ subject_reference })).toMatchObject({
    subject_reference: [
      { type: "character", image_file: `data:image/jpeg;base64,${IMAGE.toString("base64")}` },
      { type: "character", image_file: LINK },
    ],
  });
});

test("a reference is refused by its place in the list", async () => {
  const subject_reference = [LINK, "http://example.com"].map((image_file) => ({ type: "character", image_file }));

  await expect(sentFor({ subject_reference })).rejects.toThrow(/^subject_reference\[1\]\.image_file: /);
});
