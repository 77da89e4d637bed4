// The wires of Node: the Unix socket, and a WebSocket (RFC 6455) for the versions that have none.
import { createHash, randomBytes } from "node:crypto";
import { request as plain } from "node:http";
import { request as secure } from "node:https";
import { connect } from "node:net";
/** It said that we may not come in. */
export class Refused extends Error {
    refused = true;
}
/** A document a line. */
export function openLines(path, said, ended) {
    return new Promise((resolve, reject) => {
        const socket = connect(path);
        let rest = "";
        socket.setEncoding("utf8");
        socket.on("connect", () => resolve({ send: (text) => void socket.write(`${text}\n`), close: () => void socket.destroy() }));
        socket.on("data", (chunk) => {
            const lines = (rest + chunk).split("\n");
            rest = lines.pop() ?? "";
            for (const line of lines)
                said(line);
        });
        socket.on("error", reject);
        socket.on("close", ended);
    });
}
/** A document a message. */
export function openWebSocket(url, token, said, ended) {
    const address = new URL(url);
    const [ask, scheme] = address.protocol === "wss:" ? [secure, "https:"] : [plain, "http:"];
    const key = randomBytes(16).toString("base64");
    const headers = {
        Authorization: `Bearer ${token}`,
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    };
    return new Promise((resolve, reject) => {
        const asking = ask(Object.assign(new URL(address), { protocol: scheme }), { headers });
        asking.on("error", reject);
        asking.on("response", (answer) => {
            answer.resume();
            const why = `${url}: ${answer.statusCode} ${answer.statusMessage}`;
            reject([401, 403].includes(answer.statusCode ?? 0) ? new Refused(why) : new Error(why));
        });
        asking.on("upgrade", (answer, socket, head) => {
            const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
            if (answer.headers["sec-websocket-accept"] !== accept)
                return reject(new Error(`${url}: no WebSocket`));
            const read = frames(said, (opcode, payload) => {
                if (opcode === 9)
                    socket.write(frame(10, payload));
                if (opcode === 8)
                    socket.end(frame(8, payload.subarray(0, 2)));
            });
            socket.on("data", read);
            socket.on("error", () => socket.destroy());
            socket.on("close", ended);
            if (head.length > 0)
                read(head);
            resolve({
                send: (text) => void socket.write(frame(1, Buffer.from(text))),
                close: () => void socket.end(frame(8, Buffer.from([3, 232]))),
            });
        });
        asking.end();
    });
}
/** A whole frame, masked as a client's must be. */
function frame(opcode, payload) {
    const head = [0x80 | opcode];
    if (payload.length < 126)
        head.push(0x80 | payload.length);
    else if (payload.length < 65536)
        head.push(0x80 | 126, payload.length >> 8, payload.length & 255);
    else
        throw new Error("a message has 65535 bytes at most");
    const mask = randomBytes(4);
    const masked = Buffer.from(payload);
    for (let at = 0; at < masked.length; at++)
        masked[at] ^= mask[at & 3];
    return Buffer.concat([Buffer.from(head), mask, masked]);
}
/** Takes bytes as they come; tells texts, and control frames by their opcode. */
function frames(said, control) {
    let bytes = Buffer.alloc(0);
    let parts = [];
    return (chunk) => {
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
        for (;;) {
            if (bytes.length < 2)
                return;
            let [length, begin] = [bytes[1] & 127, 2];
            if (length === 126)
                [length, begin] = [bytes.length < 4 ? NaN : bytes.readUInt16BE(2), 4];
            else if (length === 127)
                [length, begin] = [bytes.length < 10 ? NaN : Number(bytes.readBigUInt64BE(2)), 10];
            if (!(bytes.length >= begin + length))
                return;
            const [last, opcode] = [(bytes[0] & 128) !== 0, bytes[0] & 15];
            const payload = bytes.subarray(begin, begin + length);
            bytes = bytes.subarray(begin + length);
            if (opcode >= 8)
                control(opcode, payload);
            else {
                parts.push(payload);
                if (last) {
                    const text = Buffer.concat(parts).toString("utf8");
                    parts = [];
                    said(text);
                }
            }
        }
    };
}
