import { invalidField } from "../errors.ts";

/** Topic filters as MQTT 3.1.1, section 4.7 defines them. */

const isWild = (filter: string): boolean => filter.includes("+") || filter.includes("#");

/** `$share/<group>/<filter>` matches what `<filter>` matches (MQTT 5, section 4.8.2). */
const withoutShare = (filter: string): string =>
  filter.startsWith("$share/") ? filter.split("/").slice(2).join("/") : filter;

/** Whether a message on the topic goes to a subscriber of the filter. */
export function topicMatches(filter: string, topic: string): boolean {
  if (!isWild(filter)) return filter === topic;
  // [MQTT-4.7.2-1]: a leading wildcard does not reach topics that begin with `$`.
  if (topic.startsWith("$") && !filter.startsWith("$")) return false;
  const levels = topic.split("/");
  const wanted = filter.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (index >= levels.length) return false;
    if (level !== "+" && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}

/** [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1] */
export function isValidFilter(filter: string): boolean {
  if (filter === "" || filter.includes("\0") || Buffer.byteLength(filter) > 65_535) return false;
  const levels = filter.split("/");
  return levels.every((level, index) =>
    level === "#" ? index === levels.length - 1 : level === "+" || !/[+#]/.test(level),
  );
}

/**
 * @throws Problem `invalid-request` for a topic nobody may publish to: [MQTT-4.7.1-1], [MQTT-4.7.3]. A broker would
 * drop the connection for it.
 */
export function checkTopic(topic: string): void {
  if (topic === "") throw invalidField("topic", "A topic must not be empty.");
  if (/[+#\0]/.test(topic)) throw invalidField("topic", `"${topic}" must not contain +, # or NUL.`);
  if (Buffer.byteLength(topic) > 65_535) throw invalidField("topic", "A topic has at most 65535 bytes.");
}

/** A set of filters that answers fast for what nearly all of them are: exact topics. */
export class FilterSet {
  readonly filters: ReadonlySet<string>;
  readonly #exact = new Set<string>();
  readonly #wild: readonly string[];

  constructor(filters: ReadonlySet<string>) {
    this.filters = filters;
    const plain = [...filters].map(withoutShare);
    for (const filter of plain) if (!isWild(filter)) this.#exact.add(filter);
    this.#wild = plain.filter(isWild);
  }

  matches(topic: string): boolean {
    return this.#exact.has(topic) || this.#wild.some((filter) => topicMatches(filter, topic));
  }
}

interface Node<T> {
  readonly children: Map<string, Node<T>>;
  /** By key, so that a second subscription of the same client replaces its first. */
  readonly values: Map<string, T>;
}

const newNode = <T>(): Node<T> => ({ children: new Map(), values: new Map() });

/** Values by filter; finds those whose filter matches a topic in the depth of the topic, however many filters there are. */
export class FilterTree<T> {
  readonly #root: Node<T> = newNode();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  set(filter: string, key: string, value: T): void {
    let node = this.#root;
    for (const level of filter.split("/")) {
      let next = node.children.get(level);
      if (!next) {
        next = newNode();
        node.children.set(level, next);
      }
      node = next;
    }
    if (!node.values.has(key)) this.#size += 1;
    node.values.set(key, value);
  }

  delete(filter: string, key: string): void {
    const path: [Node<T>, string][] = [];
    let node = this.#root;
    for (const level of filter.split("/")) {
      const next = node.children.get(level);
      if (!next) return;
      path.push([node, level]);
      node = next;
    }
    if (node.values.delete(key)) this.#size -= 1;
    for (const [parent, level] of path.reverse()) {
      const child = parent.children.get(level);
      if (child && child.values.size === 0 && child.children.size === 0) parent.children.delete(level);
    }
  }

  match(topic: string): T[] {
    const found: T[] = [];
    this.#collect(this.#root, topic.split("/"), 0, found);
    return found;
  }

  #collect(node: Node<T>, levels: readonly string[], depth: number, found: T[]): void {
    // [MQTT-4.7.2-1]
    const wildcards = depth > 0 || levels[0]?.startsWith("$") !== true;
    const rest = wildcards ? node.children.get("#") : undefined;
    if (rest) found.push(...rest.values.values());
    const level = levels[depth];
    if (level === undefined) {
      found.push(...node.values.values());
      return;
    }
    const exact = node.children.get(level);
    if (exact) this.#collect(exact, levels, depth + 1, found);
    const any = wildcards ? node.children.get("+") : undefined;
    if (any) this.#collect(any, levels, depth + 1, found);
  }
}
