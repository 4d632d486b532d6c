import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { Problem } from "../errors.ts";

/** 19 MiB, two passes, one lane: what OWASP advises for argon2id. About 30 ms of one core. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const tagLength = 32;

/** More would take all threads of the pool, which files and names are looked up on, too. */
const atOnce = 2;
const mayWait = 200;

/** Hashes and compares passwords, a few at a time. */
export class Passwords {
  /** How many hashes were computed. */
  hashes = 0;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** Looks like a hash and is that of no password. */
  readonly #decoy = phcText(randomBytes(16), randomBytes(tagLength));

  /** @returns PHC text: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash` */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(16);
    const tag = await this.#compute({ message: sameForm(password), nonce: salt, tagLength, ...cost });
    return phcText(salt, tag);
  }

  /** Takes as long for nobody's password (null) as for somebody's: the time tells nothing about which names exist. */
  async verify(password: string, phc: string | null): Promise<boolean> {
    const parsed = parse(phc ?? this.#decoy);
    if (!parsed) return false;
    const { tag, ...settings } = parsed;
    const computed = await this.#compute({ message: sameForm(password), tagLength: tag.length, ...settings });
    return timingSafeEqual(computed, tag) && phc !== null;
  }

  /** @throws Problem `too-many-requests` when a great many wait already */
  async #compute(parameters: Argon2Parameters): Promise<Buffer> {
    await this.#turn();
    try {
      this.hashes += 1;
      return await new Promise<Buffer>((resolve, reject) => {
        argon2("argon2id", parameters, (error, tag) => (error ? reject(error) : resolve(tag)));
      });
    } finally {
      // The turn goes straight to who waits longest.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < atOnce) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= mayWait)
      throw new Problem("too-many-requests", {
        detail: "Too many passwords are being checked at the moment; try again in 2 s.",
        headers: { "retry-after": "2" },
      });
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** One keyboard sends ä as one character, another as two: RFC 8265 makes them the same. */
const sameForm = (password: string): string => password.normalize("NFC");

/** PHC texts have base64 without padding. */
const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

const phcText = (salt: Buffer, tag: Buffer): string =>
  `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${base64(salt)}$${base64(tag)}`;

const phcPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([\w+/]{11,88})\$([\w+/]{22,88})$/;

function parse(phc: string) {
  const [, memory, passes, parallelism, salt = "", tag = ""] = phcPattern.exec(phc) ?? [];
  if (memory === undefined) return undefined;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    nonce: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}
