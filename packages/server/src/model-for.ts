// Which of the server's models a request is for.
import { invalid } from './http-error.ts';

/** @throws where the server has none of that kind, or the request names another. */
export function modelFor<M extends { readonly id: string }>(
  found: M | null,
  named: string | undefined,
  kind: string,
): M {
  if (!found) throw invalid(`This server has no ${kind}.`, 'model', 'model_not_found');
  if (named !== undefined && named !== found.id)
    throw invalid(`There is no ${kind} ${JSON.stringify(named)}; there is ${found.id}.`, 'model', 'model_not_found');
  return found;
}
