import { expect, test } from "vitest";
import { createOffLink } from "./off.ts";

test("without a broker nothing can be published, and the status says why", async () => {
  await using link = createOffLink({ clock: { now: () => 42 } });
  await link.start({ onMessage: () => undefined, onReady: () => {} });
  expect(link.status).toMatchObject({ kind: "off", connected: false, since: 42 });
  expect(link.status.reason).toContain("BUSBAR_MQTT_PORT");
  await expect(link.publish({ topic: "a", payload: "x", qos: 0, retain: false })).rejects.toMatchObject({
    code: "broker-unavailable",
  });
});
