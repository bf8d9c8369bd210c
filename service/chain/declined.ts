/** How a try at a request can end but by an answer. */

/** What will not be answered, however often it is tried. */
export class Declined extends Error {
  override readonly name = "Declined";
  readonly code: string;
  constructor(code: string, options?: ErrorOptions) {
    super(code, options);
    this.code = code;
  }
}

/** What the answer still waits for. */
export class NotYet extends Error {
  override readonly name = "NotYet";
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}
