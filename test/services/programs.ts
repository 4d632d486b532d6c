import { accessSync, constants, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The services the suite wants, and what brings them on Debian. */
export const services = {
  postgres: { title: "PostgreSQL", aptPackage: "postgresql", program: "postgres" },
  mosquitto: { title: "Mosquitto", aptPackage: "mosquitto", program: "mosquitto" },
  chromium: { title: "Chromium", aptPackage: "chromium", program: "chromium" },
  redis: { title: "Redis", aptPackage: "redis-server", program: "redis-server" },
} as const;

export type ServiceName = keyof typeof services;

/** Absolute path of the service's server program; undefined where it is not installed. */
export function findService(name: ServiceName): string | undefined {
  return findProgram(services[name].program) ?? (name === "redis" ? findProgram("valkey-server") : undefined);
}

export const missingServices = (): readonly ServiceName[] =>
  (Object.keys(services) as ServiceName[]).filter((name) => findService(name) === undefined);

export const aptLine = (names: readonly ServiceName[]): string =>
  `apt-get install -y ${names.map((name) => services[name].aptPackage).join(" ")}`;

function findProgram(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...systemFolders(), ...postgresFolders()];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

/** Debian keeps servers out of an ordinary user's PATH. */
const systemFolders = (): string[] => [
  "/usr/sbin",
  "/usr/local/sbin",
  "/opt/homebrew/sbin",
  "/opt/homebrew/bin",
];

/** Debian's postgresql packages put nothing into PATH; the newest version wins. */
function postgresFolders(): string[] {
  const root = "/usr/lib/postgresql";
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(root, version, "bin"));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
