import { describe, expect, test } from "vitest";
import type { Grant, Principal } from "../identity/principal.ts";
import { isLoopback, mayPublish, maySubscribe } from "./acl.ts";

const principal = (more: Partial<Principal> = {}): Principal => ({
  id: 1,
  kind: "user",
  name: "heat-pump",
  isSuperuser: false,
  isStaff: false,
  via: "basic",
  grants: [],
  ...more,
});
const grant = (action: Grant["action"], object = "*", resource = "mqtt"): Grant => ({
  action,
  resource,
  object,
});
const device = principal();
const superuser = principal({ name: "root", isSuperuser: true });

describe("publishing", () => {
  test.each([
    ["a device below its own name", device, "heat-pump/messages/1/value", true],
    ["a device on its own name", device, "heat-pump", true],
    ["a device below another name", device, "meter/messages/1/value", false],
    ["a device below a name that begins like its own", device, "heat-pump-2/logs", false],
    ["a device deeper down", device, "x/heat-pump/logs", false],
    ["a superuser", superuser, "meter/logs", true],
    ["a client without a name", undefined, "meter/logs", true],
    ["anybody below $", undefined, "$SYS/broker/uptime", false],
    ["a superuser below $", superuser, "$SYS/broker/uptime", false],
    ["with the right to change all", principal({ grants: [grant("change")] }), "meter/logs", true],
    ["with the right to change one", principal({ grants: [grant("change", "meter")] }), "meter/logs", true],
    ["with the right to change another", principal({ grants: [grant("change", "pv")] }), "meter/logs", false],
    ["with the right to view", principal({ grants: [grant("view")] }), "meter/logs", false],
    [
      "with a right on something else",
      principal({ grants: [grant("change", "*", "datapoint")] }),
      "m/logs",
      false,
    ],
  ])("%s", (_case, who, topic, allowed) => {
    expect(mayPublish(who, topic)).toBe(allowed);
  });
});

describe("subscribing", () => {
  test.each([
    ["a device below its own name", device, "heat-pump/messages/#", true],
    ["a device to everything", device, "#", false],
    ["a device to a level of everything", device, "+/logs", false],
    ["a device to another name", device, "meter/#", false],
    ["a device to the broker's figures", device, "$SYS/#", false],
    ["a superuser to everything", superuser, "#", true],
    ["a client without a name", undefined, "#", true],
    ["with the right to view all", principal({ grants: [grant("view")] }), "+/messages/+/value", true],
    ["with the right to view one, to it", principal({ grants: [grant("view", "meter")] }), "meter/#", true],
    [
      "with the right to view one, to everything",
      principal({ grants: [grant("view", "meter")] }),
      "#",
      false,
    ],
  ])("%s", (_case, who, filter, allowed) => {
    expect(maySubscribe(who, filter)).toBe(allowed);
  });
});

test("loopback addresses", () => {
  for (const address of ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
    expect(isLoopback(address)).toBe(true);
  for (const address of ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "127.0.0.1.example", "", undefined])
    expect(isLoopback(address)).toBe(false);
});
