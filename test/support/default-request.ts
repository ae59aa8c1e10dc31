import type { GenerationRequest } from "../../src/minimax/request.ts";

/** What MiniMax is sent for the prompt "a cat" alone: every default spelled out, and nothing else. */
export const DEFAULT_REQUEST: Partial<GenerationRequest> = {
  model: "image-01",
  prompt: "a cat",
  aspect_ratio: "1:1",
  response_format: "base64",
  n: 1,
  prompt_optimizer: false,
};
