/** What a problem's code means to an HTTP caller. */
export type ProblemStatus =
  | 400
  | 401
  | 402
  | 403
  | 404
  | 405
  | 408
  | 409
  | 410
  | 413
  | 415
  | 422
  | 429
  | 499
  | 500
  | 502
  | 503
  | 504;

export type ProblemRow = readonly [status: ProblemStatus, title: string];
