/**
 * The link to the MQTT broker, whichever it is: an external one (external.ts) or the one inside this
 * process (embedded.ts). Both keep the same promise: a QoS 1 message is acknowledged to its sender only
 * after the handler's promise has resolved, in the order of arrival.
 */

export interface InboundMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** True when the broker replayed a retained message on subscription; false for a live one. */
  readonly retained: boolean;
  readonly qos: 0 | 1 | 2;
}

/**
 * Takes one message. Returns nothing when there is nothing to wait for, or a promise which resolves when what the
 * message says is durable. Many messages may share one promise (a group commit): the link waits for it once.
 * A rejected promise means "not taken": an external link drops its connection and reconnects, so that the
 * broker delivers again; the embedded broker closes the sender's connection, and the sender resends.
 * Malformed content is no reason to reject: the handler counts and logs it, and returns.
 */
export type MessageHandler = (message: InboundMessage) => Promise<void> | undefined;

export interface Publication {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Aborted: nobody waits for the outcome any more, and what has not been sent yet shall not be. */
  readonly withdraw?: AbortSignal;
}

export interface LinkStatus {
  readonly kind: "external" | "embedded" | "off";
  readonly connected: boolean;
  /** Safe to print: host and port, never a password. */
  readonly address: string;
  /** Milliseconds UTC of the last change of `connected`. */
  readonly since: number;
  /** Why it is not connected, in a sentence. */
  readonly reason?: string;
  /** Messages the external broker dropped since it started ($SYS), where it tells. */
  readonly brokerDropped?: number;
}

export interface MqttLink extends AsyncDisposable {
  readonly status: LinkStatus;
  /**
   * Replaces the set of subscribed topic filters (QoS 1 each); only the difference goes to the broker. Kept over reconnects.
   * Call once before `start`, then on each change.
   */
  setSubscriptions(filters: ReadonlySet<string>): void;
  /** Connects or listens. `onReady` runs on every (re)connection, after the subscriptions were sent. */
  start(handlers: { readonly onMessage: MessageHandler; readonly onReady: () => void }): Promise<void>;
  /**
   * Resolves when the broker has taken the message (PUBACK/PUBCOMP, written for QoS 0). The publisher receives its own
   * publication through `onMessage` if it is subscribed to the topic, exactly like anybody else's.
   * @throws Problem `broker-unavailable` at once while not connected, and when the connection is lost, or the publication
   *   withdrawn, before the acknowledgement
   */
  publish(publication: Publication): Promise<void>;
}
