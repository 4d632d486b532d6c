import { type Loaded, loadConfig } from "../kernel/config/load.ts";
import { messageOf } from "../kernel/errors.ts";
import { defineCommand } from "./command.ts";
import { checkBroker } from "./doctor-broker.ts";
import {
  checkCertificate,
  checkDatabase,
  checkDataFolder,
  checkPorts,
  type Finding,
  isRunning,
} from "./doctor-checks.ts";
import type { Io } from "./io.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary:
    "Checks configuration, data folder, ports, database and broker, and says what to do. Exit code 1: something fails.",
  options: {},
  run: async (_values, _positionals, io) => {
    const findings = await examine(io);
    for (const finding of findings) {
      io.out(`${finding.status.padEnd(5)} ${finding.subject}: ${finding.detail}`);
      if (finding.advice !== undefined) io.out(`      -> ${finding.advice}`);
    }
    return findings.some(({ status }) => status === "fail") ? 1 : 0;
  },
});

async function examine(io: Io): Promise<readonly Finding[]> {
  let loaded: Loaded;
  try {
    loaded = loadConfig(io.env, io.folder);
  } catch (error) {
    return [{ status: "fail", subject: "configuration", detail: messageOf(error) }];
  }
  const { config, notices } = loaded;
  const configuration: readonly Finding[] =
    notices.length === 0
      ? [{ status: "ok", subject: "configuration", detail: "every variable is known and fits" }]
      : notices.map((detail) => ({ status: "warn", subject: "configuration", detail }));
  const folder = checkDataFolder(config.dataDir);
  const running = folder.status !== "fail" && isRunning(config.dataDir);
  const parts = [checkPorts(config, running), checkDatabase(config.database), checkBroker(config.mqtt)];
  return [...configuration, folder, ...(await Promise.all(parts)).flat(), ...checkCertificate(config.http)];
}
