import {
  buildAllowAttribute,
  McpUiSandboxResourceReadyNotificationSchema,
} from "@modelcontextprotocol/ext-apps/app-bridge";

const host = window.parent;
let view: HTMLIFrameElement | undefined;

function load(message: unknown): boolean {
  const { success, data } = McpUiSandboxResourceReadyNotificationSchema.safeParse(message);
  if (!success) return false;
  view = document.createElement("iframe");
  view.setAttribute("sandbox", "allow-scripts");
  view.allow = buildAllowAttribute(data.params.permissions);
  view.srcdoc = data.params.html;
  document.body.append(view);
  return true;
}

addEventListener("message", ({ source, data }: MessageEvent<unknown>) => {
  if (source === host) {
    if (!load(data)) view?.contentWindow?.postMessage(data, "*");
  } else if (source === view?.contentWindow) {
    host.postMessage(data, "*");
  }
});
host.postMessage({ jsonrpc: "2.0", method: "ui/notifications/sandbox-proxy-ready", params: {} }, "*");
