import type { AuthenticateError, Client, ConnectPacket, Subscription } from "aedes";
import { messageOf, Problem } from "../errors.ts";
import type { Principal } from "../identity/principal.ts";
import type { Log } from "../observe/log.ts";
import { isLoopback, mayPublish, maySubscribe } from "./acl.ts";
import { addressOf, type ClientSession, describeClient } from "./client-session.ts";

/** Undefined: a client let in without a name. */
export type Access = (principal: Principal | undefined, topic: string) => boolean;

export interface GateOptions {
  /** Clients from anywhere may come without a name; those from loopback always may. */
  readonly anonymous: boolean;
  /** Undefined when name and secret do not fit. */
  readonly authenticate: (name: string, secret: string, address: string) => Promise<Principal | undefined>;
  /** Default: acl.ts. */
  readonly mayPublish?: Access;
  readonly maySubscribe?: Access;
  readonly log: Log;
}

/** CONNACK codes of MQTT 3.1.1, section 3.2.2.3. */
const identifierRejected = 2;
const serverUnavailable = 3;
const badUserNameOrPassword = 4;
const notAuthorized = 5;

/** Decides who comes in, and what they may publish and read; says so in one log line when not. */
export class Gate {
  readonly #options: GateOptions;
  readonly #mayPublish: Access;
  readonly #maySubscribe: Access;
  readonly #wills = new WeakMap<Client, string>();
  readonly #sessions = new WeakMap<Client, ClientSession>();
  refused = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#mayPublish = options.mayPublish ?? mayPublish;
    this.#maySubscribe = options.maySubscribe ?? maySubscribe;
  }

  session(client: Client): ClientSession | undefined {
    return this.#sessions.get(client);
  }

  /** CONNECT has come. */
  announce(client: Client, packet: ConnectPacket): void {
    if (packet.will) this.#wills.set(client, packet.will.topic);
  }

  /**
   * The principal (undefined: none given and none needed).
   * @throws an error with the CONNACK code, as aedes wants it
   */
  async admit(
    client: Client,
    name: string | undefined,
    password: Buffer | undefined,
  ): Promise<Principal | undefined> {
    if (client.id.includes("\0"))
      throw this.#refuse(client, name, identifierRejected, "the client id contains NUL");
    const principal = await this.#identify(client, name, password);
    const will = this.#wills.get(client);
    // The will is published when the client is gone, by a later run of the server even: it is checked here.
    if (will !== undefined && !this.#mayPublish(principal, will))
      throw this.#refuse(
        client,
        name,
        notAuthorized,
        `the will goes to ${will}, which it may not publish to`,
      );
    return principal;
  }

  enter(client: Client, session: ClientSession): void {
    this.#sessions.set(client, session);
  }

  /** Undefined when the client may publish there; else why not. `client` null: the will of an earlier run. */
  publishRefusal(client: Client | null, topic: string): Error | undefined {
    const session = client ? this.#sessions.get(client) : undefined;
    if (client && !session) return new Error("not signed in");
    const rule = topic.includes("\0") ? "a topic must not contain NUL" : "it may not publish to this topic";
    if (!topic.includes("\0") && this.#mayPublish(session?.principal, topic)) return undefined;
    this.refused += 1;
    // MQTT 3.1.1 cannot refuse a publication: the connection is closed.
    this.#options.log.warn(
      { ...describeClient(client, session), topic },
      `MQTT client disconnected: ${rule}`,
    );
    return new Error(rule);
  }

  mayRead(client: Client, filter: string): boolean {
    const session = this.#sessions.get(client);
    return session !== undefined && !filter.includes("\0") && this.#maySubscribe(session.principal, filter);
  }

  /** Whether the subscription is granted; a refusal is counted and logged. */
  maySubscribe(client: Client, { topic }: Subscription): boolean {
    if (this.mayRead(client, topic)) return true;
    this.refused += 1;
    this.#options.log.warn(
      { ...describeClient(client, this.#sessions.get(client)), filter: topic },
      "MQTT subscription refused: it may not read this topic",
    );
    return false;
  }

  async #identify(
    client: Client,
    name: string | undefined,
    password: Buffer | undefined,
  ): Promise<Principal | undefined> {
    const address = addressOf(client);
    if (name === undefined || name === "") {
      if (this.#options.anonymous || isLoopback(address)) return undefined;
      throw this.#refuse(client, name, notAuthorized, "a name and a password or token are needed");
    }
    let principal: Principal | undefined;
    try {
      principal = await this.#options.authenticate(name, password?.toString("utf8") ?? "", address);
    } catch (error) {
      const throttled = error instanceof Problem && error.code === "too-many-requests";
      throw this.#refuse(client, name, throttled ? notAuthorized : serverUnavailable, messageOf(error));
    }
    if (!principal) throw this.#refuse(client, name, badUserNameOrPassword, "wrong name, password or token");
    return principal;
  }

  #refuse(client: Client, name: string | undefined, returnCode: number, reason: string): AuthenticateError {
    this.refused += 1;
    this.#options.log.warn(
      { clientId: client.id, name: name ?? "(no name)", address: addressOf(client), reason },
      "MQTT client refused",
    );
    return Object.assign(new Error(reason), { returnCode });
  }
}
