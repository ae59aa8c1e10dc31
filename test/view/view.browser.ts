import { readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { FrameLocator, Locator, Page } from "playwright-core";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { deliver, fallSilent, refuse, succeed } from "../../stand-in/behaviours.ts";
import { NO_BROWSER } from "../../stand-in/host/browser.ts";
import { isWithoutBrowser, viewStage } from "./open-view.ts";

const PROMPT = "a lighthouse at dawn";

function shownImages(view: FrameLocator): Locator {
  return view.locator(".frame[data-state=shown] img");
}

async function shownPaths(view: FrameLocator): Promise<string[]> {
  await shownImages(view).first().waitFor();
  const names = await view.locator(".name").all();
  return Promise.all(names.map(async (name) => (await name.getAttribute("title")) ?? ""));
}

/** Real JPEGs of noise, about 300 kB each. */
async function noise(count: number): Promise<Buffer[]> {
  const image = sharp({
    create: {
      width: 600,
      height: 600,
      channels: 3,
      background: "white",
      noise: { type: "gaussian", mean: 128, sigma: 60 },
    },
  });
  const jpeg = await image.jpeg({ quality: 90 }).toBuffer();
  return Array.from({ length: count }, () => jpeg);
}

function jpegOf(background: string): Promise<Buffer> {
  return sharp({ create: { width: 600, height: 600, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

async function boxOf(element: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await element.boundingBox();
  if (box === null) throw new Error("It is not shown.");
  return box;
}

async function boxesOf(elements: Locator): Promise<{ x: number; y: number; width: number; height: number }[]> {
  return Promise.all((await elements.all()).map(boxOf));
}

/** Left edge and width of one of the first boxes. */
function edges(boxes: readonly { readonly x: number; readonly width: number }[], index: number): unknown[] {
  return [boxes[index]?.x, boxes[index]?.width];
}

/** How bright the middle of an element is on the screen, from 0 to 255. */
async function middleOf(page: Page, element: Locator): Promise<number> {
  const { x, y, width, height } = await boxOf(element);
  const clip = { x: x + width / 2, y: y + height / 2, width: 1, height: 1 };
  const [brightness = NaN] = await sharp(await page.screenshot({ clip }))
    .greyscale()
    .raw()
    .toBuffer();
  return brightness;
}

function isFocused(button: Locator): Promise<boolean> {
  return button.evaluate((element) => element === element.ownerDocument.activeElement);
}

async function colourOf(text: Locator): Promise<string> {
  return text.evaluate((element) => getComputedStyle(element).color);
}

describe.skipIf(isWithoutBrowser)(`the view in a browser${isWithoutBrowser ? ` (skipped: ${NO_BROWSER})` : ""}`, () => {
  const stage = viewStage();

  test("shows every image, read from its file and described by its prompt", async () => {
    const { view, generate } = await stage().open();

    await generate({ prompt: PROMPT, n: 4, aspect_ratio: "16:9" });

    await shownImages(view).nth(3).waitFor();
    const sources = await shownImages(view).all();
    for (const [index, path] of (await shownPaths(view)).entries()) {
      const file = await readFile(path, "base64");
      expect(await sources[index]?.getAttribute("src")).toBe(`data:image/jpeg;base64,${file}`);
      await view.getByRole("button", { name: `Image ${index + 1} of 4: ${PROMPT}`, exact: true }).waitFor();
    }
  });

  test("shows nine images of 300 kB", async () => {
    stage().api.plan(deliver(await noise(9)));
    const { view, generate } = await stage().open("width=490");

    await generate({ prompt: PROMPT, n: 9 });

    await shownImages(view).nth(8).waitFor();
  });

  test("says name, pixel size and file size of each image", async () => {
    const { view, generate } = await stage().open();

    await generate({ prompt: PROMPT, aspect_ratio: "16:9", filename: "lighthouse" });

    const [path = ""] = await shownPaths(view);
    expect(await view.locator(".name").innerText()).toBe(basename(path));
    const { size } = await stat(path);
    expect(await view.locator(".size span").allInnerTexts()).toEqual(["1280 × 720", `${Math.round(size / 1000)} kB`]);
  });

  test("keeps a place of the right shape for each image while it waits", async () => {
    stage().api.plan(fallSilent());
    const { view, generate } = await stage().open();

    void generate({ prompt: PROMPT, n: 2, aspect_ratio: "16:9" }).catch(() => undefined);

    await view.getByText("Generating 2 images…").waitFor();
    const places = await view.locator(".frame").all();
    expect(places).toHaveLength(2);
    for (const place of places) {
      const box = await place.boundingBox();
      expect((box?.width ?? 0) / (box?.height ?? 1)).toBeCloseTo(16 / 9, 1);
    }
  });

  test("counts the seconds of a call", async () => {
    stage().api.plan(fallSilent());
    const { view, generate } = await stage().open();

    void generate({ prompt: PROMPT, n: 2 }).catch(() => undefined);

    await view.getByText(/^Generating 2 images… [1-9]\d* s$/).waitFor();
  });

  test.each([
    [4, "16:9", 720],
    [9, "1:1", 351],
  ])("moves nothing when the %i images of %s arrive %i pixels wide", async (n, aspect_ratio, width) => {
    const { view, generate, begin, notify, clear } = await stage().open(`width=${width}`);
    const parameters = { prompt: PROMPT, n, aspect_ratio };
    const result = await generate(parameters);
    await clear();
    await begin();
    await notify("ui/notifications/tool-input", { arguments: parameters });
    await view.getByText(`Generating ${n} images…`).waitFor();
    const places = await boxesOf(view.locator(".frame"));

    await notify("ui/notifications/tool-result", result);

    await shownImages(view)
      .nth(n - 1)
      .waitFor();
    expect(await boxesOf(view.locator(".frame"))).toEqual(places);
  });

  test.each([375, 490, 720, 900])("shows five images of one size in two rows %i pixels wide", async (width) => {
    const { view, generate } = await stage().open(`width=${width}`);

    await generate({ prompt: PROMPT, n: 5 });

    await shownImages(view).nth(4).waitFor();
    const boxes = await boxesOf(view.locator(".tile"));
    expect(boxes.map(({ x, width: tile }) => [x, tile])).toEqual([0, 1, 2, 0, 1].map((column) => edges(boxes, column)));
    expect(new Set(boxes.map(({ y }) => y)).size).toBe(2);
    expect(new Set(boxes.map(({ height }) => height)).size).toBe(1);
  });

  test("shows whole sizes below nine images 343 pixels wide", async () => {
    const { view, generate } = await stage().open("width=343");

    await generate({ prompt: PROMPT, n: 9 });

    await shownImages(view).nth(8).waitFor();
    const beyond = await view.locator(".size").evaluateAll((sizes) =>
      sizes.map((size) => {
        const text = size.ownerDocument.createRange();
        text.selectNodeContents(size);
        return text.getBoundingClientRect().right - size.getBoundingClientRect().right;
      }),
    );
    expect(Math.max(...beyond)).toBeLessThan(0.5);
  });

  test("ends the copy button and the closing cross where the image ends", async () => {
    const { view, generate } = await stage().open();
    await generate({ prompt: PROMPT, n: 3 });
    await shownImages(view).nth(2).waitFor();
    const distance = async (frame: Locator, icon: Locator): Promise<number> => {
      const [image, button] = await Promise.all([boxOf(frame), boxOf(icon)]);
      return Math.abs(image.x + image.width - button.x - button.width);
    };

    expect(await distance(view.locator(".tile .frame").first(), view.locator(".tile .icon").first())).toBeLessThan(1);
    await view.locator(".tile .frame").first().click();
    expect(await distance(view.locator(".viewer .frame"), view.locator(".viewer .icon").last())).toBeLessThan(1);
  });

  test("names an enlarged image once", async () => {
    const { view, generate } = await stage().open();
    await generate({ prompt: PROMPT });
    const [path = ""] = await shownPaths(view);

    await shownImages(view).click();

    await view.locator(".viewer .path").waitFor();
    expect((await view.locator(".viewer").innerText()).split(basename(path))).toHaveLength(2);
  });

  test("shows where the pointer is, on light images and on dark ones", async () => {
    const flat = await Promise.all(["white", "black"].map(jpegOf));
    stage().api.plan(deliver(flat));
    const { page, view, generate } = await stage().open();
    await generate({ prompt: PROMPT, n: 2 });

    for (const [index, rest] of [255, 0].entries()) {
      const image = shownImages(view).nth(index);
      await image.hover();
      await expect.poll(async () => Math.abs((await middleOf(page, image)) - rest)).toBeGreaterThan(20);
    }
  });

  test("enlarges, steps through and closes images by the keyboard alone", async () => {
    const { page, view, generate } = await stage().open();
    await generate({ prompt: PROMPT, n: 3 });
    await shownImages(view).nth(2).waitFor();
    const small = await shownImages(view).first().boundingBox();

    await view.getByRole("button", { name: `Image 1 of 3: ${PROMPT}` }).focus();
    await page.keyboard.press("Enter");

    const enlarged = view.getByRole("button", { name: `Image 1 of 3: ${PROMPT}`, expanded: true });
    await enlarged.and(view.locator("[data-state=shown]")).waitFor();
    expect((await enlarged.boundingBox())?.width).toBeGreaterThan(2 * (small?.width ?? 0));
    expect(await isFocused(enlarged)).toBe(true);

    await page.keyboard.press("ArrowRight");
    await view.getByRole("button", { name: `Image 2 of 3: ${PROMPT}`, expanded: true }).waitFor();

    await page.keyboard.press("Escape");
    const back = view.getByRole("button", { name: `Image 2 of 3: ${PROMPT}`, expanded: false });
    expect(await isFocused(back)).toBe(true);
    expect(await view.getByRole("button", { expanded: true }).count()).toBe(0);
  });

  test("has the frame follow its content", async () => {
    const { page, view, generate } = await stage().open("width=490");
    await generate({ prompt: PROMPT, n: 2, aspect_ratio: "9:16" });
    await shownImages(view).nth(1).waitFor();
    const fits = async (): Promise<boolean> => {
      const height = await view.locator("html").evaluate((element) => element.getBoundingClientRect().height);
      const frame = await page.locator("iframe").boundingBox();
      return frame !== null && Math.abs(frame.height - height) <= 1;
    };

    await expect.poll(fits).toBe(true);
    await view.getByRole("button", { name: `Image 2 of 2: ${PROMPT}` }).click();
    await view.locator(".viewer [data-state=shown]").waitFor();
    await expect.poll(fits).toBe(true);
  });

  test("copies the path of an image where the host grants the clipboard", async () => {
    const { page, view, generate } = await stage().open();
    await generate({ prompt: PROMPT, n: 2 });
    const [, path = ""] = await shownPaths(view);

    await view.getByRole("button", { name: `Copy path of ${basename(path)}` }).click();

    await view.getByText("Copied", { exact: true }).waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(path);
  });

  test("copies the path where the host does not grant the clipboard", async () => {
    const { page, view, generate } = await stage().open("clipboard=off");
    await generate({ prompt: PROMPT });
    const [path = ""] = await shownPaths(view);

    await view.getByRole("button", { name: "Copy path" }).click();

    await view.getByText("Copied", { exact: true }).waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(path);
  });

  test("shows the path, selected, where nothing can be copied", async () => {
    const { view, generate } = await stage().open("clipboard=off", "document.execCommand = () => false");
    await generate({ prompt: PROMPT });
    const [path = ""] = await shownPaths(view);

    await view.getByRole("button", { name: "Copy path" }).click();

    const field = view.getByRole("textbox", { name: "Path" });
    await field.waitFor();
    expect(await field.inputValue()).toBe(path);
    const selected = await field.evaluate((element) => element.ownerDocument.getSelection()?.toString());
    expect(selected).toBe(path);
  });

  test("says what the result warns of, and which image could not be saved", async () => {
    const [image = ""] = await noise(1);
    stage().api.plan(deliver([image, "bm90IGFuIGltYWdl", image]));
    const { view, generate } = await stage().open();

    await generate({ prompt: PROMPT, n: 4, negative_prompt: "blurry" });

    await shownImages(view).nth(1).waitFor();
    const notes = await view.locator(".note").allInnerTexts();
    expect(notes.join("\n")).toMatch(/^Image \d was not saved: .+JPEG, PNG or WebP/);
    expect(notes.join("\n")).toContain("negative_prompt");
  });

  test("says what MiniMax withheld", async () => {
    stage().api.plan(succeed({ withheld: 1 }));
    const { view, generate } = await stage().open();

    await generate({ prompt: PROMPT, n: 3 });

    await shownImages(view).nth(1).waitFor();
    expect(await view.locator(".note").innerText()).toContain("safety filter");
  });

  test("shows an error as text, with what to do", async () => {
    stage().api.plan(refuse(1008));
    const { view, generate } = await stage().open();

    await generate({ prompt: PROMPT });

    const alert = view.getByRole("alert");
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/insufficient balance[\s\S]+Recovery: Top up/);
    expect(await view.locator("img").count()).toBe(0);
  });

  test("says that a call was cancelled", async () => {
    stage().api.plan(fallSilent());
    const { page, view, generate } = await stage().open();
    void generate({ prompt: PROMPT }).catch(() => undefined);
    await view.getByText("Generating the image…").waitFor();

    await page.evaluate("host.cancel()");

    await view.locator(".status", { hasText: "Cancelled" }).waitFor();
  });

  test.each(["off", "refused"])("lists names, sizes and paths where reads are %s", async (resources) => {
    const { view, generate } = await stage().open(`resources=${resources}`);

    await generate({ prompt: PROMPT, n: 2, aspect_ratio: "16:9" });

    await view.getByText("Saved. No preview can be shown here.").waitFor();
    for (const text of await view.locator(".file").allInnerTexts()) {
      expect(text).toContain("1280 × 720");
      expect(text).toContain(join(stage().outputDir, "a-lighthouse-at-dawn"));
    }
    expect(await view.locator(".file").count()).toBe(2);
    expect(await view.locator("img").count()).toBe(0);
  });

  test.each(["absent", "null", "null&content=text"])("is the same where the structure is %s", async (structure) => {
    stage().api.plan(deliver([...(await noise(1)), "bm90IGFuIGltYWdl", ...(await noise(2))]));
    const good = await stage().open();
    const result = await good.generate({ prompt: PROMPT, n: 4, negative_prompt: "blurry" });
    await shownImages(good.view).nth(2).waitFor();
    const bad = await stage().open(`structure=${structure}`);

    await bad.show(result);

    await shownImages(bad.view).nth(2).waitFor();
    expect(await bad.view.locator("#view").innerText()).toBe(await good.view.locator("#view").innerText());
    const sources = (view: FrameLocator): Promise<string[]> =>
      view.locator("img").evaluateAll((images) => images.map((image) => image.getAttribute("src") ?? ""));
    expect(await sources(bad.view)).toEqual(await sources(good.view));
  });

  test.each(["on", "messages"])("shows images of which nothing is said, in content as %s", async (content) => {
    const { view, show } = await stage().open(`structure=absent&content=${content}`);
    const [image = Buffer.of()] = await noise(1);

    await show({
      content: [
        { type: "text", text: "Two images." },
        ...[1, 2].map(() => ({ type: "image", data: image.toString("base64"), mimeType: "image/jpeg" })),
      ],
    });

    await shownImages(view).nth(1).waitFor();
    expect(await view.locator(".size").first().innerText()).toContain("600 × 600");
    expect((await boxOf(view.locator(".size").first())).x).toBe((await boxOf(view.locator(".frame").first())).x);
    expect(await view.getByRole("button", { name: "Copy path" }).count()).toBe(0);
    await view.getByText("Two images.").waitFor();
  });

  test("shows the images where the frame allows only what the view declares", async () => {
    const { view, generate } = await stage().open("policy=strict");

    await generate({ prompt: PROMPT, n: 2 });

    await shownImages(view).nth(1).waitFor();
  });

  test("stays with the result when the host sends the parameters again", async () => {
    const { view, generate, notify } = await stage().open();
    await generate({ prompt: PROMPT, n: 2 });
    await shownImages(view).nth(1).waitFor();

    await notify("ui/notifications/tool-input", { arguments: { prompt: PROMPT, n: 2 } });
    await notify("ui/notifications/host-context-changed", { styles: { variables: { "--seen": "1" } } });

    await view.locator("html[style*='--seen']").waitFor();
    expect(await shownImages(view).count()).toBe(2);
  });

  test("takes no name of JavaScript's own for a notification", async () => {
    const { view, begin, notify } = await stage().open();
    await begin();

    for (const name of ["__proto__", "constructor", "__defineGetter__"]) await notify(name, {});
    await notify("ui/notifications/tool-result", { content: [{ type: "text", text: "Still there." }] });

    await view.getByText("Still there.").waitFor();
  });

  test("shows the images that a result carries where reads are off", async () => {
    const { view, generate } = await stage().open("resources=off");

    await generate({ prompt: PROMPT, n: 2, return_images: true });

    await shownImages(view).nth(1).waitFor();
  });

  test.each([
    ["light", "rgb(20, 20, 19)"],
    ["dark", "rgb(250, 249, 245)"],
  ])("has the host's colours in a %s host, and changes with it", async (theme, colour) => {
    const other = theme === "light" ? "dark" : "light";
    const { page, view, generate } = await stage().open(`theme=${other}`);
    await generate({ prompt: PROMPT });
    await shownImages(view).first().waitFor();

    await page.evaluate(`host.setTheme("${theme}")`);

    await expect.poll(() => colourOf(view.locator(".name"))).toBe(colour);
  });

  test("has readable colours of its own in a dark host that gives none", async () => {
    const { view, generate } = await stage().open("theme=dark&variables=off");
    await generate({ prompt: PROMPT });
    await shownImages(view).first().waitFor();

    expect(await colourOf(view.locator(".name"))).toBe("rgb(236, 235, 232)");
  });

  test("keeps the place of an image that cannot be read among others", async () => {
    const { view, show } = await stage().open();
    await writeFile(join(stage().outputDir, "there.jpeg"), await jpegOf("white"));
    const image = { width: 1024, height: 1024, bytes: 5000, mime_type: "image/jpeg" };
    const paths = [join(stage().outputDir, "gone.jpeg"), "/etc/passwd", join(stage().outputDir, "there.jpeg")];

    await show({ content: [], structuredContent: { images: paths.map((path) => ({ ...image, path })) } });

    await view.getByText("No preview").nth(1).waitFor();
    await shownImages(view).waitFor();
    expect(await view.locator(".frame[data-state=missing]").count()).toBe(2);
  });

  test("shows markup in a name, a warning or a text as text", async () => {
    const markup = "<img src=x onerror=alert(1)>";
    const { view, show } = await stage().open("resources=off");

    await show({
      content: [],
      structuredContent: {
        images: [{ path: `/images/${markup}`, width: 8, height: 8, bytes: 8, mime_type: "image/png" }],
        warnings: [markup],
      },
    });

    await view.locator(".file").waitFor();
    expect(await view.locator(".note").innerText()).toBe(markup);
    expect(await view.locator("img").count()).toBe(0);
  });

  test("is there at once for a person who opens the host page", async () => {
    const { page } = await stage().open();
    const opened = await page.context().newPage();

    await opened.goto(new URL("/", page.url()).href);

    await shownImages(opened.frameLocator("iframe").frameLocator("iframe")).nth(3).waitFor();
    await opened.close();
  });

  test("agrees to be removed", async () => {
    const { page, view, generate } = await stage().open();
    await generate({ prompt: PROMPT });
    await shownImages(view).first().waitFor();

    await page.evaluate("host.end()");
  });
});
