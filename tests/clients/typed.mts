// What the compiler takes of the TypeScript client, and what it refuses: each line behind @ts-expect-error has to be wrong.

import { connect, RpcError } from "../../docs/clients/typescript/phoned.mjs";

const phone = await connect({ url: "ws://127.0.0.1:8089/ws", token: "…" });
const session = await phone.call("1002", { video: true });

session.on("confirmed", () => session.status.number.toUpperCase());
session.on("ended", (note) => note.data.cause.length + (note.data.q850 ?? 0));
session.on("dtmf", ({ data }) => data.dtmf satisfies string);
phone.on("incoming", async (note) => void (await phone.session(note.data.session.callId).answer()));
phone.on("gap", (note) => note.data.describe?.length);
phone.on("*", (note) => {
  if (note.event === "cdrChange") return note.data.cdr.cause;
  return note.seq;
});
// @ts-expect-error: there is no such event
phone.on("confirmd", () => {});
// @ts-expect-error: this one has no code
session.on("deleteSession", (note) => note.data.code);

(await session.hold()) satisfies true;
await session.dtmf("42#", "rtp");
// @ts-expect-error: no such way
await session.dtmf("42#", "smoke");
// @ts-expect-error: 200 would be an answer
await session.progress(200);
await session.setStatus({ tags: ["sold"] });
// @ts-expect-error: the number is the peer's
await session.setStatus({ number: "1003" });

const info = await phone.rpc("daemon.info");
info.epoch satisfies string;
const page = await phone.rpc("cdr.query", { filter: { account: "office" }, size: 10 });
page.cdrs[0]?.talkSec satisfies number | undefined;
// @ts-expect-error: it wants a name
await phone.rpc("account.get");
// @ts-expect-error: there is no such method
await phone.rpc("account.gett", { name: "office" });
await phone.rpc("account.get", { name: "office" }).catch((error: unknown) => error instanceof RpcError && error.data.hint);
