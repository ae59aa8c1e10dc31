import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { thirdPartyLicenses } from "../scripts/build/licenses.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

interface Checkout extends AsyncDisposable {
  readonly path: string;
  readonly install: (name: string, license?: string) => Promise<string>;
}

/** A checkout of a project, in a directory that lies below another project's `node_modules`. */
async function checkout(): Promise<Checkout> {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "node_modules", "this-project");
  return {
    path,
    install: async (name, license) => {
      const home = join(path, "node_modules", ...name.split("/"));
      await mkdir(join(home, "lib"), { recursive: true });
      await writeFile(join(home, "package.json"), JSON.stringify({ name, version: "1.2.3", license: "MIT" }));
      if (license !== undefined) await writeFile(join(home, "LICENSE"), license);
      return join(home, "lib", "index.js");
    },
    [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.asyncDispose]()),
  };
}

test("a project below a node_modules names its packages, and not itself", async () => {
  await using project = await checkout();
  const files = [
    join(project.path, "src", "index.ts"),
    await project.install("plain", "Plain terms."),
    await project.install("@scope/scoped", "Scoped terms."),
  ];

  const text = await thirdPartyLicenses(files, project.path);

  expect(text).toContain("@scope/scoped 1.2.3 (MIT)\n\nScoped terms.\n");
  expect(text).toContain("plain 1.2.3 (MIT)\n\nPlain terms.\n");
  expect(text).not.toContain("this-project");
});

test("a package without a licence file stops the build", async () => {
  await using project = await checkout();
  const file = await project.install("unlicensed");

  await expect(thirdPartyLicenses([file], project.path)).rejects.toThrow("unlicensed has no licence file.");
});
