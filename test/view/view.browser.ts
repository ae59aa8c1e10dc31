import { readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { FrameLocator, Locator } from "playwright-core";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { deliver, fallSilent, refuse } from "../../stand-in/behaviours.ts";
import { NO_BROWSER } from "../../stand-in/host/browser.ts";
import { isWithoutBrowser, type OpenedView, viewStage } from "./open-view.ts";

const PROMPT = "a lighthouse at dawn";
const NOT_AN_IMAGE = "bm90IGFuIGltYWdl";

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Waits until a view shows so many images. */
async function images(view: FrameLocator, count: number): Promise<Locator> {
  const shown = view.locator(".frame[data-state=shown] img");
  await shown.nth(count - 1).waitFor();
  return shown;
}

async function pathsIn(view: FrameLocator): Promise<string[]> {
  const names = await view.locator(".name").all();
  return Promise.all(names.map(async (name) => (await name.getAttribute("title")) ?? ""));
}

/** A real JPEG of 1024 by 1024 pixels and about 300 kB. */
function noise(): Promise<Buffer> {
  const noisy = { type: "gaussian", mean: 128, sigma: 60 } as const;
  return sharp({ create: { width: 1024, height: 1024, channels: 3, background: "white", noise: noisy } })
    .jpeg({ quality: 45 })
    .toBuffer();
}

function plain(background: string): Promise<Buffer> {
  return sharp({ create: { width: 600, height: 600, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

async function boxOf(element: Locator): Promise<Box> {
  const box = await element.boundingBox();
  if (box === null) throw new Error("It is not shown.");
  return box;
}

async function boxesOf(elements: Locator): Promise<Box[]> {
  return Promise.all((await elements.all()).map(boxOf));
}

function isFocused(button: Locator): Promise<boolean> {
  return button.evaluate((element) => element === element.ownerDocument.activeElement);
}

describe.skipIf(isWithoutBrowser)(`the view in a browser${isWithoutBrowser ? ` (skipped: ${NO_BROWSER})` : ""}`, () => {
  const stage = viewStage();

  /** Opens a view that shows the images of a call. */
  async function showing(
    { n = 1, ...others }: { readonly n?: number; readonly [parameter: string]: unknown },
    query = "",
    init = "",
  ): Promise<OpenedView> {
    const opened = await stage().open(query, init);
    await opened.host("generate", { prompt: PROMPT, n, ...others });
    await images(opened.view, n);
    return opened;
  }

  test("shows every image, read from its file and described by its prompt", async () => {
    const { view } = await showing({ n: 4 }, "policy=strict");

    const sources = await (await images(view, 4)).all();
    for (const [index, path] of (await pathsIn(view)).entries()) {
      const file = await readFile(path, "base64");
      expect(await sources[index]?.getAttribute("src")).toBe(`data:image/jpeg;base64,${file}`);
      await view.getByRole("button", { name: `Image ${index + 1} of 4: ${PROMPT}`, exact: true }).waitFor();
    }
  });

  test("says name, pixel size and file size of an image", async () => {
    const { view } = await showing({ aspect_ratio: "16:9", filename: "lighthouse" });

    const [path = ""] = await pathsIn(view);
    const { size } = await stat(path);
    expect(await view.locator(".name").innerText()).toBe(basename(path));
    expect(await view.locator(".size span").allInnerTexts()).toEqual(["1280 × 720", `${Math.round(size / 1000)} kB`]);
  });

  test("keeps a place for each image while it counts the seconds", async () => {
    stage().api.plan(fallSilent());
    const { view, host } = await stage().open();

    void host("generate", { prompt: PROMPT, n: 2, aspect_ratio: "16:9" }).catch(() => undefined);

    await view.getByText(/^Generating 2 images… [1-9]\d* s$/).waitFor();
    const places = await boxesOf(view.locator(".frame"));
    expect(places).toHaveLength(2);
    for (const { width, height } of places) expect(width / height).toBeCloseTo(16 / 9, 1);
  });

  test.each([
    [4, "16:9", 720],
    [9, "1:1", 351],
  ])("moves nothing when the %i images of %s arrive %i pixels wide", async (n, aspect_ratio, width) => {
    const { view, host } = await stage().open(`width=${width}`);
    const parameters = { prompt: PROMPT, n, aspect_ratio };
    const result = await host("generate", parameters);
    await host("clear");
    await host("begin");
    await host("notify", "ui/notifications/tool-input", { arguments: parameters });
    await view.getByText(`Generating ${n} images…`).waitFor();
    const places = await boxesOf(view.locator(".frame"));

    await host("notify", "ui/notifications/tool-result", result);

    await images(view, n);
    expect(await boxesOf(view.locator(".frame"))).toEqual(places);
  });

  test.each([375, 900])("shows five images of one size in two rows %i pixels wide", async (width) => {
    const { view } = await showing({ n: 5 }, `width=${width}`);

    const boxes = await boxesOf(view.locator(".tile"));
    const edges = boxes.map((box) => [box.x, box.width]);
    expect(edges).toEqual([0, 1, 2, 0, 1].map((column) => edges[column]));
    expect(new Set(boxes.map(({ y }) => y)).size).toBe(2);
    expect(new Set(boxes.map(({ height }) => height)).size).toBe(1);
  });

  test("shows whole sizes below nine images of 300 kB 343 pixels wide", async () => {
    stage().api.plan(deliver(Array<Buffer>(9).fill(await noise())));
    const { view } = await showing({ n: 9 }, "width=343");

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
    const { view } = await showing({ n: 3 });
    const rightOf = async (selector: string): Promise<number> => {
      const { x, width } = await boxOf(view.locator(selector).last());
      return x + width;
    };

    expect(await rightOf(".tile .icon")).toBeCloseTo(await rightOf(".tile .frame"), 0);
    await view.locator(".tile .frame").last().click();
    expect(await rightOf(".viewer .icon")).toBeCloseTo(await rightOf(".viewer .frame"), 0);
  });

  test("shows where the pointer is, on light images and on dark ones", async () => {
    stage().api.plan(deliver(await Promise.all(["white", "black"].map(plain))));
    const { view } = await showing({ n: 2 });

    for (const image of await (await images(view, 2)).all()) {
      const before = await image.screenshot();
      await image.hover();
      await expect.poll(async () => before.equals(await image.screenshot())).toBe(false);
    }
  });

  test("enlarges, steps through and closes images by the keyboard alone", async () => {
    const { page, view } = await showing({ n: 3 });
    const [path = ""] = await pathsIn(view);
    const small = await boxOf(view.locator(".frame").first());

    await view.getByRole("button", { name: `Image 1 of 3: ${PROMPT}` }).focus();
    await page.keyboard.press("Enter");

    const enlarged = view.getByRole("button", { name: `Image 1 of 3: ${PROMPT}`, expanded: true });
    await enlarged.and(view.locator("[data-state=shown]")).waitFor();
    expect((await boxOf(enlarged)).width).toBeGreaterThan(2 * small.width);
    expect(await isFocused(enlarged)).toBe(true);
    expect((await view.locator(".viewer").innerText()).split(basename(path))).toHaveLength(2);

    await page.keyboard.press("ArrowRight");
    await view.getByRole("button", { name: `Image 2 of 3: ${PROMPT}`, expanded: true }).waitFor();

    await page.keyboard.press("Escape");
    expect(await isFocused(view.getByRole("button", { name: `Image 2 of 3: ${PROMPT}`, expanded: false }))).toBe(true);
    expect(await view.getByRole("button", { expanded: true }).count()).toBe(0);
  });

  test("has the frame follow its content", async () => {
    const { page, view } = await showing({ n: 2, aspect_ratio: "9:16" }, "width=490");
    const fits = async (): Promise<boolean> => {
      const height = await view.locator("html").evaluate((element) => element.getBoundingClientRect().height);
      return Math.abs((await boxOf(page.locator("iframe"))).height - height) <= 1;
    };

    await expect.poll(fits).toBe(true);
    await view.getByRole("button", { name: `Image 2 of 2: ${PROMPT}` }).click();
    await view.locator(".viewer [data-state=shown]").waitFor();
    await expect.poll(fits).toBe(true);
  });

  test.each(["on", "off"])("copies the path of an image where the clipboard is %s", async (clipboard) => {
    const { page, view } = await showing({ n: 2 }, `clipboard=${clipboard}`);
    const [, path = ""] = await pathsIn(view);

    await view.getByRole("button", { name: `Copy path of ${basename(path)}` }).click();

    await view.getByText("Copied", { exact: true }).waitFor();
    expect(await page.evaluate("navigator.clipboard.readText()")).toBe(path);
  });

  test("shows the path, selected, where nothing can be copied", async () => {
    const { view } = await showing({}, "clipboard=off", "document.execCommand = () => false");
    const [path = ""] = await pathsIn(view);

    await view.getByRole("button", { name: "Copy path" }).click();

    const field = view.getByRole("textbox", { name: "Path" });
    expect(await field.inputValue()).toBe(path);
    expect(await field.evaluate((element) => element.ownerDocument.getSelection()?.toString())).toBe(path);
  });

  test("shows an error as text, with what to do", async () => {
    stage().api.plan(refuse(1008));
    const { view, host } = await stage().open();

    await host("generate", { prompt: PROMPT });

    expect(await view.getByRole("alert").innerText()).toMatch(/insufficient balance[\s\S]+Recovery: Top up/);
    expect(await view.locator("img").count()).toBe(0);
  });

  test("says that a call was cancelled", async () => {
    stage().api.plan(fallSilent());
    const { view, host } = await stage().open();
    void host("generate", { prompt: PROMPT }).catch(() => undefined);
    await view.getByText("Generating the image…").waitFor();

    await host("cancel");

    await view.locator(".status", { hasText: "Cancelled" }).waitFor();
  });

  test.each(["off", "refused"])("lists names, sizes and paths where reads are %s", async (resources) => {
    const { view, host } = await stage().open(`resources=${resources}`);

    await host("generate", { prompt: PROMPT, n: 2, aspect_ratio: "16:9" });

    await view.getByText("Saved. No preview can be shown here.").waitFor();
    const files = await view.locator(".file").allInnerTexts();
    expect(files).toHaveLength(2);
    for (const text of files) {
      expect(text).toContain("1280 × 720");
      expect(text).toContain(join(stage().outputDir, "a-lighthouse-at-dawn"));
    }
    expect(await view.locator("img").count()).toBe(0);
  });

  test("says what the result warns of, also where the text is all it gets", async () => {
    const [image, ...others] = await Promise.all(["red", "green", "blue"].map(plain));
    stage().api.plan(deliver([image ?? "", NOT_AN_IMAGE, ...others]));
    const { view, host } = await stage().open("structure=null&content=text");

    await host("generate", { prompt: PROMPT, n: 4, negative_prompt: "blurry" });

    await images(view, 3);
    expect((await view.locator(".note").allInnerTexts()).join("\n")).toMatch(
      /^Image 2 was not saved: .+JPEG, PNG or WebP[\s\S]+negative_prompt/,
    );
  });

  test.each(["on", "messages"])("shows images of which nothing is said, in content as %s", async (content) => {
    const { view, host } = await stage().open(`structure=absent&content=${content}`);
    const image = { type: "image", data: (await plain("red")).toString("base64"), mimeType: "image/jpeg" };

    await host("show", { content: [{ type: "text", text: "Two images." }, image, image] });

    await images(view, 2);
    const size = view.locator(".size").first();
    expect(await size.innerText()).toContain("600 × 600");
    expect((await boxOf(size)).x).toBe((await boxOf(view.locator(".frame").first())).x);
    expect(await view.getByRole("button", { name: "Copy path" }).count()).toBe(0);
    await view.getByText("Two images.").waitFor();
  });

  test("stays with the result when the host sends the parameters again", async () => {
    const { view, host } = await showing({ n: 2 });

    await host("notify", "ui/notifications/tool-input", { arguments: { prompt: PROMPT, n: 2 } });
    await host("notify", "ui/notifications/host-context-changed", { styles: { variables: { "--seen": "1" } } });

    await view.locator("html[style*='--seen']").waitFor();
    expect(await (await images(view, 2)).count()).toBe(2);
  });

  test("takes no name of JavaScript's own for a notification", async () => {
    const { view, host } = await stage().open();
    await host("begin");

    for (const name of ["__proto__", "constructor", "__defineGetter__"]) await host("notify", name, {});
    await host("notify", "ui/notifications/tool-result", { content: [{ type: "text", text: "Still there." }] });

    await view.getByText("Still there.").waitFor();
  });

  test("shows the images that a result carries where reads are off", async () => {
    await showing({ n: 2, return_images: true }, "resources=off");
  });

  test.each([
    ["the host's", "light", "theme=dark", "rgb(20, 20, 19)"],
    ["the host's", "dark", "theme=light", "rgb(250, 249, 245)"],
    ["its own", "dark", "theme=light&variables=off", "rgb(236, 235, 232)"],
  ])("has %s colours in a host that turns %s", async (_whose, theme, query, colour) => {
    const { view, host } = await showing({}, query);

    await host("setTheme", theme);

    await expect.poll(() => view.locator(".name").evaluate((element) => getComputedStyle(element).color)).toBe(colour);
  });

  test("keeps the place of an image that cannot be read among others", async () => {
    const { view, host } = await stage().open();
    const paths = ["gone.jpeg", "there.jpeg"].map((name) => join(stage().outputDir, name));
    await writeFile(paths[1] ?? "", await plain("white"));
    const image = { width: 1024, height: 1024, bytes: 5000, mime_type: "image/jpeg" };

    await host("show", { content: [], structuredContent: { images: paths.map((path) => ({ ...image, path })) } });

    await view.getByText("No preview").waitFor();
    await images(view, 1);
    expect(await view.locator(".frame[data-state=missing]").count()).toBe(1);
  });

  test("shows markup in a name, a warning or a text as text", async () => {
    const markup = "<img src=x onerror=alert(1)>";
    const { view, host } = await stage().open("resources=off");
    const image = { path: `/images/${markup}`, width: 8, height: 8, bytes: 8, mime_type: "image/png" };

    await host("show", { content: [], structuredContent: { images: [image], warnings: [markup] } });

    await view.locator(".file").waitFor();
    expect(await view.locator(".note").innerText()).toBe(markup);
    expect(await view.locator("img").count()).toBe(0);
  });

  test("is there at once for a person who opens the host page", async () => {
    const { page } = await stage().open();
    const opened = await page.context().newPage();

    await opened.goto(new URL("/", page.url()).href);

    await images(opened.frameLocator("iframe").frameLocator("iframe"), 4);
    await opened.close();
  });

  test("agrees to be removed", async () => {
    const { host } = await showing({});

    await host("end");
  });
});
