import { assembleViewPage } from "../../scripts/build/view-page.ts";

/**
 * The view as one self-contained HTML page. The build puts the finished text in the place of this module, which
 * assembles it again.
 */
export const page = await assembleViewPage();
