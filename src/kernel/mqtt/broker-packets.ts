import type { Client } from "aedes";

/** What aedes passes to its persistence, as far as it matters here. */

export type Qos = 0 | 1 | 2;

export type ClientRef = Pick<Client, "id">;

/** A publication as it comes in, from a client or from ourselves. */
export interface IncomingPublication {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: Qos;
  readonly retain?: boolean;
  readonly brokerId?: string;
  readonly brokerCounter?: number;
}

/** A publication on its way to a client. */
export interface OutgoingPublication {
  readonly cmd: "publish";
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly brokerId: string;
  brokerCounter: number;
  messageId: number | undefined;
}

/** PUBREL: the client has said PUBREC. */
export interface Release {
  readonly cmd: "pubrel";
  readonly messageId: number;
}

export interface BrokerSubscription {
  readonly topic: string;
  readonly qos: Qos;
  /** These are of MQTT 5, which aedes refuses: kept in memory but not over a restart. */
  readonly rh?: number;
  readonly rap?: boolean;
  readonly nl?: boolean;
  readonly subscriptionIdentifier?: number;
}

export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  clientId: string;
  brokerId: string;
}

/** The broker as its state sees it: who it is, and the number of the last message. */
export interface BrokerRef {
  readonly id: string;
  counter: number;
}

export const qosOf = (value: number): Qos => (value >= 2 ? 2 : value === 1 ? 1 : 0);

interface StoredPublication {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
}

export const publicationOf = ({ topic, payload, qos }: StoredPublication, retain: boolean) =>
  ({ cmd: "publish", topic, payload: bytesOf(payload), qos: qosOf(qos), retain, dup: false }) as const;

const bytesOf = (payload: Uint8Array): Buffer =>
  Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);

/** Client ids, filters and topics hold no NUL: the broker refuses them. */
export const keyOf = (clientId: string, rest: string | number): string => `${clientId}\0${rest}`;

/** For a row; packets of clients and our own copies are bytes already. */
export const toBytes = (payload: string | Buffer): Buffer =>
  typeof payload === "string" ? Buffer.from(payload) : payload;
