/** Stands in for node:path: absolute names of a volume. */
export function resolve(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
export const dirname = (path: string): string => resolve(`${path}/..`);
export const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
