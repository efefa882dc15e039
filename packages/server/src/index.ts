// @brickwork/server: models over HTTP, with OpenAI's interface.
export { createApp, type AppOptions } from './app.ts';
export { HttpError, type ErrorType, type HttpErrorOptions } from './http-error.ts';
export { Language, type LanguageOptions } from './language.ts';
export { listen, type ListenOptions, type RunningServer } from './listen.ts';
export type { Metrics } from './metrics.ts';
export { openServed, type ModelPlace, type OpenServed, type ServeOptions } from './open-served.ts';
export type { Named, Served } from './served.ts';
export { Turnstile, type TurnstileOptions } from './turnstile.ts';
