import { readdir, readFile, readlink } from "node:fs/promises";

/**
 * Which process listens on the TCP port, as `name (pid 123)`; undefined where the system does not tell (not
 * Linux, not ours).
 */
export async function portOwner(port: number): Promise<string | undefined> {
  try {
    const inodes = new Set([
      ...(await listeningInodes("tcp", port)),
      ...(await listeningInodes("tcp6", port)),
    ]);
    if (inodes.size === 0) return undefined;
    for (const pid of await readdir("/proc")) {
      if (/^\d+$/.test(pid) && (await holdsSocket(pid, inodes)))
        return `${await processName(pid)} (pid ${pid})`;
    }
  } catch {
    // Only a nicety of an error message: whatever /proc refuses, the message does without.
  }
  return undefined;
}

/** State 0A is LISTEN; the port stands in hexadecimal behind the local address. */
async function listeningInodes(table: "tcp" | "tcp6", port: number): Promise<readonly string[]> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = (await readFile(`/proc/net/${table}`, "utf8").catch(() => "")).split("\n").slice(1);
  return lines.flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const listens = columns[3] === "0A" && columns[1]?.split(":")[1] === wanted;
    return listens && columns[9] !== undefined ? [columns[9]] : [];
  });
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

const processName = async (pid: string): Promise<string> =>
  (await readFile(`/proc/${pid}/comm`, "utf8")).trim();
