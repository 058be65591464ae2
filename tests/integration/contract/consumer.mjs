// A whole HQ for one station, after sync/README.md alone: it keeps what came, and answers.
// node consumer.mjs BROKER_URL HQ_SEED STATION_PUBLIC_KEY DICTIONARY_FILE, in a folder with the package `mqtt`
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { inflateSync } from "node:zlib";
const mqtt = createRequire(`${process.cwd()}/`)("mqtt");

const [url, seed, stationKey, dictionaryFile] = process.argv.slice(2);
const dictionary = readFileSync(dictionaryFile);
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const hq = createPrivateKey({
  key: Buffer.concat([PKCS8, Buffer.from(seed, "base64url")]), format: "der", type: "pkcs8",
});
const station = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: stationKey }, format: "jwk" });

const keyid = createHash("sha256")
  .update(createPublicKey(hq).export({ format: "der", type: "spki" }).subarray(-32)).digest("hex").slice(0, 16);

const hash = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const nextHead = (head, body) => hash(Buffer.of(1), head, hash(Buffer.of(0), body));
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

// (what was signed, its lines): the last line is a signature over the context and all before it
function verified(context, text) {
  const end = text.lastIndexOf(10) + 1;
  const signature = Buffer.from(text.subarray(end).toString("ascii"), "base64");
  if (!verify(null, Buffer.concat([Buffer.from(context), text.subarray(0, end)]), station, signature))
    throw new Error("BAD_SIGNATURE");
  const lines = [];
  for (let at = 0, stop; at < end; at = stop + 1)
    lines.push(text.subarray(at, (stop = text.indexOf(10, at))));
  return lines;
}
function signed(context, message) {
  const line = Buffer.from(JSON.stringify(message) + "\n");
  return line + sign(null, Buffer.concat([Buffer.from(context), line]), hq).toString("base64");
}

const PAUSE = { what: "redemptions", until_ms: 0, reason: "over" };

const held = new Map(); // "station/epoch/stream" -> how far: seq and head
const mark = (header, stream) => {
  const key = `${header.station}/${header.epoch}/${stream}`;
  if (!held.has(key)) held.set(key, { stream, seq: 0, head: Buffer.alloc(32) });
  return held.get(key);
};
const told = ({ stream, seq, head }) => ({ stream, seq, head: head.toString("base64url") });
const common = ({ station, epoch }) => ({ v: 1, station, epoch, hq_time_ms: Date.now() });

function takeBatch(topic, payload) {
  const text = inflateSync(payload, { dictionary, maxOutputLength: 262144 });
  const [first, ...bodies] = verified("forecourt/envelope/1\n", text);
  const header = JSON.parse(first);
  const end = mark(header, header.stream);
  if (topic !== `fs/v1/${header.station}/up/${header.stream}`) throw new Error("WRONG_TOPIC");
  if (bodies.length !== header.count) throw new Error("COUNT_MISMATCH");
  if (header.first_seq === end.seq + 1 && header.head_before === end.head.toString("base64url"))
    for (const body of bodies) {
      end.head = nextHead(end.head, body);
      end.seq += 1;
      say({ stream: end.stream, seq: end.seq, kind: JSON.parse(body).kind });
    }
  return signed("forecourt/ack/1\n", { ...common(header), ...told(end) });
}
function answerHello(ask) {
  const streams = ["urgent", "ledger", "service"].map((stream) => told(mark(ask, stream)));
  const reply = { ...common(ask), nonce: ask.nonce, highest_epoch: ask.epoch, streams, down_seq: 1 };
  return signed("forecourt/hello/1\n", reply);
}

// DSSE: the signature is over the type and the exact bytes of the payload, each with its length
function downItem(header, seq, kind, body) {
  const day = 86_400_000, now = Date.now();
  const payload = Buffer.from(JSON.stringify({
    v: 1, station: header.station, down_seq: seq, id: `js-${seq}`, kind, issued_at_ms: now, not_after_ms: now + day, body,
  }));
  const payloadType = "application/vnd.forecourt.down+json";
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
  const signatures = [{ keyid, sig: sign(null, pae, hq).toString("base64") }];
  return JSON.stringify({ payload: payload.toString("base64"), payloadType, signatures });
}

const client = mqtt.connect(url, { protocolVersion: 5, clean: true });
client.on("connect", () => {
  client.subscribe(["$share/hq/fs/v1/+/up/+", "$share/hq-rpc/fs/v1/+/rpc/+"], { qos: 1 }, () => say("ready"));
});
client.on("message", (topic, payload, { properties }) => {
  const root = topic.split("/").slice(0, 3).join("/");
  try {
    if (topic.startsWith(`${root}/up/`)) client.publish(`${root}/ack`, takeBatch(topic, payload), { qos: 1 });
    else if (topic === `${root}/rpc/hello`) {
      const ask = JSON.parse(verified("forecourt/hello-ask/1\n", payload)[0]);
      const { correlationData } = properties;
      client.publish(`${root}/down/rpc`, answerHello(ask), { qos: 1, properties: { correlationData } });
      if (ask.down_seq < 1)
        client.publish(`${root}/down/items`, downItem(ask, 1, "pause", PAUSE), { qos: 1 });
    }
  } catch (error) {
    say({ refused: error.message });
  }
});
process.stdin.resume().on("end", () => client.end(true, () => process.exit(0)));
