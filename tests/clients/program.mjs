// What a program does with the JavaScript client: `calls` makes two calls around a kill of the daemon, `slow` does not read for a while.

import { readSync } from "node:fs";
import { createInterface } from "node:readline";

const { connect, RpcError } = await import(`${process.env.CLIENT}/phoned.mjs`);
const say = (...words) => console.log(words.join(" "));
const happens = (emitter, event) =>
  new Promise((resolve) => {
    const off = emitter.on(event, (note) => {
      off();
      resolve(note);
    });
  });

async function calls(phone, number) {
  const refused = await phone.call("not a number").catch((error) => error);
  say("refused", refused instanceof RpcError ? refused.code : refused);
  const first = await phone.call(number);
  let gone = happens(first, "deleteSession");
  await happens(first, "confirmed");
  say("confirmed", first.status.callStatus, phone.sessions.has(first.callId));
  const held = happens(first, "statusChange");
  say("hold", await first.hold(), (await held).data.newStatus.isHold, first.status.isHold);
  say("unhold", await first.unhold());
  const line = new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
  say("go");
  await line;
  // The daemon is dead: the call waits for it, and is made once.
  const second = await phone.call(number);
  await happens(second, "confirmed");
  await gone;
  say("gone", phone.sessions.has(first.callId));
  gone = happens(second, "deleteSession");
  say("hangup", await second.hangup());
  await gone;
  say("done", phone.sessions.size);
}

const [mode, address, number] = process.argv.slice(2);
const options = address.startsWith("ws") ? { url: address, token: process.env.TOKEN } : { socket: address };
const phone = await connect(options);
phone.on("*", (note) => {
  if (!["callReport", "updateTimer"].includes(note.event)) say("event", note.seq, note.event, note.callId ?? "-");
});
say("connected", phone.seq);
if (mode === "calls") await calls(phone, number);
else {
  await happens(phone, "statusChange");
  readSync(0, Buffer.alloc(100)); // holds everything up, on purpose
  while (phone.seq < Number(number)) await new Promise((resolve) => setTimeout(resolve, 50));
  say("done", phone.seq);
}
phone.close();
process.exit(0);
