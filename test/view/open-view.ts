import { resolve } from "node:path";
import process from "node:process";
import type { FrameLocator, Page } from "playwright-core";
import { afterEach, beforeAll, expect } from "vitest";
import { findBrowser, launchBrowser, NO_BROWSER } from "../../stand-in/host/browser.ts";
import { startHost } from "../../stand-in/host/server.ts";
import { STAND_IN_KEY, type StandIn, startStandIn } from "../../stand-in/server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A page of the host, with a server of its own, and an empty conversation. */
export interface OpenedView {
  readonly page: Page;
  /** What is inside the frame of the view. */
  readonly view: FrameLocator;
  /** Uses one of the page's `controls`; resolves with what it gives when that has been handed to the view. */
  readonly host: (control: string, ...values: readonly unknown[]) => Promise<unknown>;
}

/** What all tests of one file share. */
export interface ViewStage {
  readonly api: StandIn;
  /** Where the servers save. */
  readonly outputDir: string;
  /**
   * @param query - how the host is, as `startHost` says
   * @param init - a script that every document runs before its own
   */
  readonly open: (query?: string, init?: string) => Promise<OpenedView>;
}

const CI_WITHOUT_BROWSER = process.env["CI"] !== undefined && findBrowser() === undefined;

/** Whether tests of the view cannot run here. In CI they have to. */
export const isWithoutBrowser = findBrowser() === undefined && !CI_WITHOUT_BROWSER;

/**
 * Starts browser, host and stand-in before the first test of a file and ends them after the last. Tests that ask for
 * the same host share its page, one after another. A page that breaks the policy of its frame, or throws, fails the
 * test that used it.
 */
export function viewStage(): () => ViewStage {
  let stage: ViewStage | undefined;
  const complaints: string[] = [];

  beforeAll(async () => {
    const executable = findBrowser();
    if (executable === undefined) throw new Error(NO_BROWSER);
    const [api, directory, browser] = await Promise.all([
      startStandIn(),
      temporaryDirectory(),
      launchBrowser(executable),
    ]);
    const host = await startHost({
      command: process.execPath,
      args: [resolve("dist", "index.js")],
      env: {
        MINIMAX_API_KEY: STAND_IN_KEY,
        MINIMAX_API_HOST: api.url,
        MINIMAX_OUTPUT_DIR: directory.path,
        MINIMAX_RPM: "0",
      },
      stderr: "ignore",
    });
    const pages = new Map<string, Promise<Page>>();
    const openPage = async (query: string, init: string): Promise<Page> => {
      const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
      await context.addInitScript(init);
      const page = await context.newPage();
      page.on("pageerror", ({ message }) => complaints.push(message));
      page.on("console", (message) => {
        if (message.text().includes("Content Security Policy")) complaints.push(message.text());
      });
      await page.goto(`${host.url}/?bare&${query}`);
      return page;
    };
    const open = async (query = "", init = ""): Promise<OpenedView> => {
      const key = `${query} ${init}`;
      const page = await (pages.get(key) ?? openPage(query, init));
      pages.set(key, Promise.resolve(page));
      const control = (name: string, ...values: readonly unknown[]): Promise<unknown> =>
        page.evaluate(`host.${name}(...${JSON.stringify(values)})`);
      await control("clear");
      return { page, view: page.frameLocator("iframe").frameLocator("iframe"), host: control };
    };
    stage = { api, outputDir: directory.path, open };
    return async () => {
      await browser.close();
      await host[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    };
  }, 120_000);

  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
  });

  return () => {
    if (stage === undefined) throw new Error("It is there only while tests run.");
    return stage;
  };
}
