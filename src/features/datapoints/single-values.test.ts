import { describe, expect, test } from "vitest";
import { describeDatapoints, type Message } from "../../../test/datapoints.ts";

const t0 = 1_700_000_100_000;
const at = (minutes: number) => t0 + minutes * 60_000;
/** Fixed, so that the window of timestamps is known. */
const clock = { now: () => t0 + 3_600_000 };

describeDatapoints("single and last values", { clock }, (fixture) => {
  const { fresh, get, put, refused } = fixture;

  describe("a single message", () => {
    test("is put, read and deleted at its timestamp", async () => {
      const id = await fresh();
      const path = `/datapoint/${id}/value/${t0}/`;
      const message = { value: '"a"', timestamp: t0 };
      expect(await fixture.app.json("PUT", path, { body: message, status: 201 })).toEqual(message);
      expect(await fixture.app.json("GET", path)).toEqual(message);
      expect(await fixture.app.json("GET", `${path}?values=native`)).toEqual({ value: "a", timestamp: t0 });
      expect(
        await fixture.app.json("PUT", path, { body: { ...message, value: 2 }, status: 201 }),
      ).toMatchObject({
        value: "2",
      });
      await fixture.app.json("DELETE", path, { status: 204 });
      await fixture.app.json("DELETE", path, { status: 404 });
      await fixture.app.json("GET", path, { status: 404 });
      expect(await get(id)).toEqual([]);
    });

    test("body and path must name the same time", async () => {
      const id = await fresh();
      const answer = await refused("PUT", `/datapoint/${id}/value/${t0}/`, { value: "1", timestamp: t0 + 1 });
      expect(Object.keys(answer.fields ?? {})).toEqual(["timestamp"]);
      expect(await get(id)).toEqual([]);
    });

    test.each(["-1", "abc", "1.5", "999999999999999", "99999999999999999999"])(
      "at %s there is none",
      async (time) => {
        const id = await fresh();
        await refused("GET", `/datapoint/${id}/value/${time}/`, undefined, 404);
        await refused("DELETE", `/datapoint/${id}/value/${time}/`, undefined, 404);
      },
    );

    test("a point between two milliseconds is found and deleted by what it is shown as", async () => {
      const id = await fresh();
      await put(id, [{ value: "1", timestamp: t0 }]);
      const stream = await fixture.app.server.kernel.timeseries.streams.find("datapoints", `${id}/value`);
      await fixture.app.server.kernel.timeseries.put(stream?.id ?? 0, (t0 + 5) * 1000 + 400, 7);
      expect(await fixture.app.json("GET", `/datapoint/${id}/value/${t0 + 5}/`)).toEqual({
        value: "7",
        timestamp: t0 + 5,
      });
      await fixture.app.json("DELETE", `/datapoint/${id}/value/${t0 + 5}/`, { status: 204 });
      expect(await get(id)).toEqual([{ value: "1", timestamp: t0 }]);
    });
  });

  describe("last values", () => {
    const last = (query: string) =>
      fixture.app.json<{ msgs_by_datapoint_id: Record<string, Message> }>(
        "GET",
        `/datapoint/last_value/${query}`,
      );

    test("one per active datapoint that has any, with its type, newest whatever the order", async () => {
      const [a, b, inactive, empty] = [await fresh(), await fresh(), await fresh(), await fresh()];
      await fixture.app.json("POST", "/datapoint/activate/", { body: { ids: [a, b, empty] } });
      await put(a, [{ value: "2", timestamp: at(2) }]);
      await put(a, [{ value: "1", timestamp: at(1) }]);
      await put(b, [{ value: '"5"', timestamp: at(1) }]);
      await put(inactive, [{ value: "9", timestamp: at(1) }]);
      const ids = `datapoint__id__in=${[b, a, inactive, empty].join()}`;
      const all = {
        [a]: { value: "2", timestamp: at(2) },
        [b]: { value: '"5"', timestamp: at(1) },
      };
      expect(await last(`?${ids}`)).toEqual({ msgs_by_datapoint_id: all });
      expect((await last("")).msgs_by_datapoint_id).toMatchObject(all);
      expect(await last(`?${ids}&timestamp__gt=${at(1)}`)).toEqual({ msgs_by_datapoint_id: { [a]: all[a] } });
      expect((await last(`?${ids}&values=native`)).msgs_by_datapoint_id[b]?.value).toBe("5");
      await fixture.app.json("DELETE", `/datapoint/${a}/value/${at(2)}/`, { status: 204 });
      expect((await last(`?datapoint__id__in=${a}`)).msgs_by_datapoint_id[a]).toEqual({
        value: "1",
        timestamp: at(1),
      });
      const [full] = await fixture.app.json<object[]>("GET", `/datapoint/?id__in=${b}&detail=full`);
      expect(full).toMatchObject({ last_value: { value: '"5"', timestamp: at(1) } });
    });

    test("a bad list of ids is refused", async () => {
      expect((await refused("GET", "/datapoint/last_value/?datapoint__id__in=1,a")).fields).toHaveProperty(
        "datapoint__id__in",
      );
    });
  });
});
