import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { bigJpeg } from "../../test/support/big-jpeg.ts";
import { DEFAULT_REQUEST } from "../../test/support/default-request.ts";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { SubjectReferenceError } from "../errors.ts";
import { type GenerationRequest, toolInputSchema } from "../schemas.ts";
import { readLocalImage, type ReferencePlaces } from "../utils/reference-file.ts";
import { toRequest } from "./request.ts";

const LINK = "https://example.com/face.jpg";
const NOWHERE: ReferencePlaces = { base: resolve("/nowhere"), directories: [], homeDirectory: resolve("/nobody") };

function requestFor(input: Readonly<Record<string, unknown>>, places = NOWHERE): Promise<GenerationRequest> {
  return toRequest(toolInputSchema.parse({ prompt: "a cat", ...input }), (path, name) =>
    readLocalImage(path, name, places, 10_000_000),
  );
}

test("the request spells out every default", async () => {
  expect(await requestFor({})).toStrictEqual(DEFAULT_REQUEST);
});

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

  expect(await requestFor(given)).toStrictEqual(given);
});

test("the request has an exact size instead of an aspect ratio", async () => {
  const request = await requestFor({ width: 1024, height: 512 });

  expect(request).toMatchObject({ width: 1024, height: 512 });
  expect(request).not.toHaveProperty("aspect_ratio");
});

test("the request holds nothing that is this server's own or unknown", async () => {
  const own = { output_dir: "images", filename: "hero", return_images: true, negative_prompt: "dogs" };

  expect(await requestFor(own)).toStrictEqual(await requestFor({}));
});

test("the references in it keep their order, links as they are and files as data URLs", async () => {
  await using directory = await temporaryDirectory();
  const image = bigJpeg(500);
  await writeFile(join(directory.path, "face.jpeg"), image);
  const subject_reference = ["face.jpeg", LINK].map((image_file) => ({ type: "character", image_file }));

  const request = await requestFor({ subject_reference }, { ...NOWHERE, base: directory.path });

  expect(request.subject_reference).toStrictEqual([
    { type: "character", image_file: `data:image/jpeg;base64,${image.toString("base64")}` },
    { type: "character", image_file: LINK },
  ]);
});

test("the references in it are refused by their place in the list, counted from 0", async () => {
  const subject_reference = [LINK, "http://example.com"].map((image_file) => ({ type: "character", image_file }));
  const asking = requestFor({ subject_reference });

  await expect(asking).rejects.toBeInstanceOf(SubjectReferenceError);
  await expect(asking).rejects.toThrow("subject_reference[1].image_file: ");
});
