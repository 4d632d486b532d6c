import type { Kernel } from "../../../kernel/kernel.ts";
import type { Commands } from "../commands/service.ts";
import type { Figures } from "../figures.ts";
import type { RetainedTopics } from "../retained.ts";
import { BuiltinController } from "./builtin.ts";
import { registerControllerRoutes } from "./controller-routes.ts";
import { Controllers } from "./controllers.ts";
import { ControllerLists } from "./lists.ts";
import { registerPairRoutes } from "./pair-routes.ts";
import { ControlledDatapoints } from "./pairs.ts";

export interface InstalledControllers extends AsyncDisposable {
  /** Busbar's own controller begins to act. */
  start(): void;
}

export interface ControllerParts {
  readonly commands: Commands;
  readonly retained: RetainedTopics;
  readonly figures: Figures;
  /** Of paths, ending with a slash. */
  readonly prefix: string;
}

/** Controllers, what they are given, and the lists from which they know it. */
export async function installControllers(
  kernel: Kernel,
  { commands, retained, figures, prefix }: ControllerParts,
): Promise<InstalledControllers> {
  const { database, changes, log } = kernel;
  await using parts = new AsyncDisposableStack();
  const lists = parts.use(new ControllerLists({ database, retained, figures, log }));
  parts.defer(changes.subscribe(lists.follow));
  registerControllerRoutes(kernel, new Controllers(kernel, lists), prefix);
  registerPairRoutes(kernel, new ControlledDatapoints(kernel, lists), prefix);
  await lists.settle();
  const builtin = parts.use(new BuiltinController(kernel, commands));
  parts.defer(changes.subscribe(builtin.follow));
  const installed = parts.move();
  return { start: () => builtin.start(), [Symbol.asyncDispose]: () => installed.disposeAsync() };
}
