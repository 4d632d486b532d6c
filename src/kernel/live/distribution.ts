import { Turn } from "../timeseries/turn.ts";
import type { StreamId } from "../timeseries/types.ts";
import type { Audiences } from "./audiences.ts";
import type { Directory } from "./directory.ts";
import type { LiveFigures } from "./figures.ts";
import type { Position } from "./position.ts";
import type { LiveRow, RecentRows } from "./recent-rows.ts";
import type { Missed } from "./replay.ts";
import type { Wire } from "./transport.ts";

/** Points handed on before it is looked at the clock. */
const pointsPerStep = 2000;
/** Points of which the streams are looked up together. */
const pointsAhead = 20_000;
/** Events of one round at most, so that no frame becomes unwieldy. */
const eventsPerRound = 2000;
/** Connections written to before it is looked at the clock. */
const sendsPerStep = 64;

/** Takes the rows one after another to their audiences. */
export class Distribution {
  readonly #rows: RecentRows;
  readonly #directory: Directory;
  readonly #audiences: Audiences;
  readonly #figures: LiveFigures;
  /** Running number of the row that comes next, and the point in it. */
  #row = 0;
  #point = 0;
  /** Rows were dropped before they were distributed. */
  #overtaken = false;

  constructor(rows: RecentRows, directory: Directory, audiences: Audiences, figures: LiveFigures) {
    this.#rows = rows;
    this.#directory = directory;
    this.#audiences = audiences;
    this.#figures = figures;
  }

  get hasMore(): boolean {
    return this.#row < this.#rows.end;
  }

  /** Leaves out what has come so far: nobody listens. */
  skip(): void {
    this.#row = this.#rows.end;
    this.#point = 0;
  }

  /** Whether rows were lost since it was last asked. */
  takeOvertaken(): boolean {
    const overtaken = this.#overtaken;
    this.#overtaken = false;
    return overtaken;
  }

  /** Up to where everything has been handed to the audiences. */
  position(): Position {
    const row = this.#next();
    if (!row) return { seqs: [...this.#rows.heads] };
    const seqs = [...row.before];
    if (this.#point + row.offset === 0) return { seqs };
    seqs[row.bucket] = row.seq;
    return { seqs, within: { bucket: row.bucket, index: row.offset + this.#point - 1 } };
  }

  /** What lies between the position and where it is now. */
  since(after: Position): Missed {
    return { after, row: this.#row, points: this.#point };
  }

  /** Hands on what has come, as far as one round may. */
  async hand(): Promise<void> {
    const turn = new Turn();
    for (let left = eventsPerRound; left > 0 && this.hasMore; ) {
      const row = this.#next();
      if (!row) break;
      const to = Math.min(row.streams.length, this.#point + Math.min(left, pointsPerStep));
      if (this.#audiences.size > 0) {
        await this.#lookUp(row, to);
        const events = this.#audiences.distribute(row, this.#point, to);
        this.#figures.events += events;
        left -= events;
      }
      this.#point = to;
      if (to === row.streams.length) {
        this.#row++;
        this.#point = 0;
      }
      if (turn.isOver) await turn.next();
    }
  }

  /** Writes a frame to each member of the audiences for which something waits. */
  async send(): Promise<void> {
    const turn = new Turn();
    let sends = 0;
    for (const audience of this.#audiences.takeWaiting()) {
      const events = audience.take();
      if (events.length === 0) continue;
      const frames = new Map<Wire, Uint8Array>();
      for (const member of audience.members) {
        const { transport } = member;
        const frame = frames.get(transport.wire) ?? transport.wire.frame(events);
        frames.set(transport.wire, frame);
        transport.send(frame);
        this.#figures.deliveries += events.length;
        if (++sends % sendsPerStep === 0 && turn.isOver) await turn.next();
      }
    }
  }

  /** The row that comes next; where rows were dropped before their turn, the oldest that is there. */
  #next(): LiveRow | undefined {
    if (this.#row < this.#rows.begin) {
      this.#overtaken = true;
      this.#row = this.#rows.begin;
      this.#point = 0;
    }
    return this.#rows.at(this.#row);
  }

  async #lookUp(row: LiveRow, to: number): Promise<void> {
    for (;;) {
      const unknown = new Set<StreamId>();
      this.#audiences.unknown(row, this.#point, to, unknown);
      if (unknown.size === 0) return;
      let ahead = pointsAhead;
      for (let number = this.#row; ahead > 0 && number < this.#rows.end; number++) {
        const next = this.#rows.at(number);
        if (!next) break;
        this.#audiences.unknown(next, 0, Math.min(next.streams.length, ahead), unknown);
        ahead -= next.streams.length;
      }
      await this.#directory.load(unknown);
    }
  }
}
