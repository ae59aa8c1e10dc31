import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { thirdPartyLicenses } from "../scripts/build/licenses.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

/** Puts a package into a project. Returns one of its files. */
async function install(project: string, name: string, license?: string): Promise<string> {
  const home = join(project, "node_modules", ...name.split("/"));
  await mkdir(join(home, "lib"), { recursive: true });
  await writeFile(join(home, "package.json"), JSON.stringify({ name, version: "1.2.3", license: "MIT" }));
  if (license !== undefined) await writeFile(join(home, "LICENSE"), license);
  return join(home, "lib", "index.js");
}

test("a project below a node_modules names its packages, and not itself", async () => {
  await using directory = await temporaryDirectory();
  const project = join(directory.path, "node_modules", "this-project");
  const own = join(project, "src", "index.ts");
  const packages = [
    await install(project, "plain", "Plain terms."),
    await install(project, "@scope/scoped", "Scoped."),
  ];

  const text = await thirdPartyLicenses([own, ...packages], project);

  expect(text).toContain("@scope/scoped 1.2.3 (MIT)\n\nScoped.\n");
  expect(text).toContain("plain 1.2.3 (MIT)\n\nPlain terms.\n");
  expect(text).not.toContain("this-project");
});

test("a package without a licence file stops the build", async () => {
  await using directory = await temporaryDirectory();
  const file = await install(directory.path, "unlicensed");

  await expect(thirdPartyLicenses([file], directory.path)).rejects.toThrow("unlicensed has no licence file.");
});
