// Lets `import` find packages through NODE_PATH, as `require` does: AWS's Node.js does so since
// version 18, and functions import the AWS SDK and what is in layers that way. A specifier that
// resolves without is not touched. This module is also its own hooks module for Node.js 20, which
// knows hooks in a thread of their own only.
import module from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const directories = (process.env.NODE_PATH ?? "").split(":").filter(Boolean);

function isBare(specifier) {
  return !/^(?:[./#]|[a-z][a-z0-9+.-]*:)/i.test(specifier);
}

// Where else to look: as from a module beside a directory called node_modules, with all that the
// package says of itself; else as `require` would.
function* elsewhere(specifier, context) {
  for (const directory of directories) {
    if (path.basename(directory) === "node_modules") {
      const parentURL = pathToFileURL(path.join(path.dirname(directory), "_")).href;
      yield [specifier, { ...context, parentURL }];
    }
  }
  const found = module.createRequire(import.meta.url);
  yield [() => pathToFileURL(found.resolve(specifier)).href, context];
}

function isLost(error, specifier, context) {
  return error.code === "ERR_MODULE_NOT_FOUND" && context.parentURL && isBare(specifier);
}

function resolveNow(specifier, context, next) {
  try {
    return next(specifier, context);
  } catch (error) {
    if (!isLost(error, specifier, context)) throw error;
    for (const [name, other] of elsewhere(specifier, context)) {
      try {
        return next(typeof name === "function" ? name() : name, other);
      } catch {
        continue;
      }
    }
    throw error;
  }
}

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!isLost(error, specifier, context)) throw error;
    for (const [name, other] of elsewhere(specifier, context)) {
      try {
        return await next(typeof name === "function" ? name() : name, other);
      } catch {
        continue;
      }
    }
    throw error;
  }
}

if (module.registerHooks) {
  module.registerHooks({ resolve: resolveNow });
} else if (!process.env._LAMBD_HOOKS) {
  // The thread of the hooks loads this module too and must not start another one.
  process.env._LAMBD_HOOKS = "1";
  module.register(import.meta.url);
  delete process.env._LAMBD_HOOKS;
}
