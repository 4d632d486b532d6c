import type { Feature, InstalledFeature, Kernel } from "../../kernel/kernel.ts";
import { registerCatalogueRoutes } from "./catalogue-routes.ts";
import { registerEditRoutes } from "./edit-routes.ts";
import { ExpiryRuns } from "./expiry-runs.ts";
import { registerQueryRoute } from "./query-routes.ts";
import { registerRetentionRoutes } from "./retention-routes.ts";
import { Streams } from "./streams.ts";

/** The numbers over time of every feature, in one place: found, read, aligned, converted and exported. */
export const streams: Feature = {
  name: "streams",
  migrations: {},
  resources: ["stream", "retention"],
  install: async (kernel: Kernel): Promise<InstalledFeature> => {
    const visible = new Streams(kernel);
    registerCatalogueRoutes(kernel, visible);
    registerQueryRoute(kernel, visible);
    registerEditRoutes(kernel, visible);
    registerRetentionRoutes(kernel, visible);
    const runs = new ExpiryRuns(kernel);
    return { start: async () => runs.start(), [Symbol.asyncDispose]: () => runs[Symbol.asyncDispose]() };
  },
};
