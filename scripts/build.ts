import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleLauncher, bundleProxyClient, bundleServer, bundleView } from "./build/bundle.ts";
import { thirdPartyLicenses } from "./build/licenses.ts";

const files = await Promise.all([bundleLauncher(), bundleServer(), bundleProxyClient(), bundleView()]);
await rm("dist", { recursive: true, force: true });
await mkdir("dist");
for (const { fileName, code } of files) await writeFile(join("dist", fileName), code);
await chmod("dist/index.js", 0o755);
await writeFile("dist/THIRD-PARTY-LICENSES.txt", await thirdPartyLicenses(files.flatMap(({ sources }) => sources)));
