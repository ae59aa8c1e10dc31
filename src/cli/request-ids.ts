const NUMBER_OR_TEXT = /"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g;

/** The ids in a message, in JSON as the client wrote them; undefined where there is none that can be used. */
export interface WrittenIds {
  /** Of the request itself. */
  readonly id: string | undefined;
  /** Of the request that is to be cancelled. */
  readonly requestId: string | undefined;
}

/**
 * Reads the ids of a message. A number keeps its digits, also where JavaScript would round it.
 *
 * @param value - the line's JSON value
 * @param line - JSON
 */
export function writtenIds(value: unknown, line: string): WrittenIds {
  const written = (find: (message: unknown) => unknown): string | undefined => {
    const id = find(value);
    if (typeof id === "string" || Number.isSafeInteger(id)) return JSON.stringify(id);
    return typeof id === "number" ? String(find(JSON.parse(line.replaceAll(NUMBER_OR_TEXT, quoted)))) : undefined;
  };
  return {
    id: written((message) => member(message, "id")),
    requestId: written((message) => member(member(message, "params"), "requestId")),
  };
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value ? Reflect.get(value, name) : undefined;
}

function quoted(token: string): string {
  return token.startsWith('"') ? token : `"${token}"`;
}

/**
 * Gives every request an id of ours, a positive integer that is never used again. So whatever id the client chooses,
 * the request can be answered and cancelled.
 */
export class RequestIds {
  #last = 0;
  readonly #written = new Map<number, string>();

  /** Takes in a request by the id that the client wrote. */
  assign(written: string): number {
    this.#last += 1;
    this.#written.set(this.#last, written);
    return this.#last;
  }

  /** The id under which a request is to be answered; undefined when it was answered or cancelled before. */
  answer(id: unknown): string | undefined {
    if (typeof id !== "number") return undefined;
    const written = this.#written.get(id);
    this.#written.delete(id);
    return written;
  }

  /** Our id of a request that is to be cancelled; undefined when none of this id waits for an answer. */
  cancel(written: string): number | undefined {
    const [id] = [...this.#written].findLast(([, candidate]) => candidate === written) ?? [];
    this.answer(id);
    return id;
  }
}
