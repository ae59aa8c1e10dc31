import { mkdir, rm, writeFile } from "node:fs/promises";
import { bundle } from "./build/bundle.ts";
import { thirdPartyLicenses } from "./build/licenses.ts";

const { program, sources } = await bundle("src/index.ts");
await rm("dist", { recursive: true, force: true });
await mkdir("dist");
await writeFile("dist/index.js", program, { mode: 0o755 });
await writeFile("dist/THIRD-PARTY-LICENSES.txt", await thirdPartyLicenses(sources));
