// Errors as OpenAI's API words them.

/** What kind of error it is, by OpenAI's names. */
export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'server_error';

/** More about an error. */
export interface HttpErrorOptions {
  /** The field of the request that is wrong. */
  readonly param?: string | null;
  readonly code?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An error with its HTTP status; its message is for whoever sent the request. */
export class HttpError extends Error {
  readonly status: number;
  readonly type: ErrorType;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, type: ErrorType, message: string, o: HttpErrorOptions = {}) {
    super(message, { cause: o.cause });
    this.name = 'HttpError';
    this.status = status;
    this.type = type;
    this.param = o.param ?? null;
    this.code = o.code ?? null;
    this.headers = o.headers ?? {};
  }

  /** What is sent. */
  get body(): { error: { message: string; type: ErrorType; param: string | null; code: string | null } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }

  toResponse(): Response {
    return Response.json(this.body, { status: this.status, headers: { ...this.headers } });
  }
}

/** The request is wrong. */
export const invalid = (message: string, param: string | null = null, code: string | null = null): HttpError =>
  new HttpError(400, 'invalid_request_error', message, { param, code });

/** What went wrong here, without what is nobody's business outside. */
export const internal = (cause: unknown): HttpError =>
  new HttpError(500, 'server_error', 'The server failed; its log says why.', { cause });
