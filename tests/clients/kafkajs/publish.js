// Publishes the runs of a plan by kafkajs, which has gzip built in; other codecs are plugged in, as its guide shows.
// Its default partitioner is Kafka's; "default" stands for the one that was the default before version 2.
"use strict";

const { randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { CompressionCodecs, CompressionTypes, Kafka, Partitioners, logLevel } = require("kafkajs");
const snappy = require("kafkajs-snappy");
const lz4 = require("lz4-napi");
const zstd = require("@bokuweb/zstd-wasm");

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

const codec = (library) => () => ({
  compress: async (encoder) => Buffer.from(library.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(library.decompress(buffer)),
});
CompressionCodecs[CompressionTypes.Snappy] = snappy;
CompressionCodecs[CompressionTypes.LZ4] = codec({ compress: lz4.compressFrameSync, decompress: lz4.decompressFrameSync });
CompressionCodecs[CompressionTypes.ZSTD] = codec(zstd);

const bytesOf = (text) => (text === null ? null : Buffer.from(text, "base64"));

function messageOf(record) {
  const headers = {};
  for (const [name, value] of record.headers) {
    // A name that comes again has a list of values.
    const key = bytesOf(name).toString();
    headers[key] = key in headers ? [headers[key], bytesOf(value)].flat() : bytesOf(value);
  }
  const timestamp = record.timestamp === null ? undefined : String(record.timestamp);
  return { key: bytesOf(record.key), value: bytesOf(record.value), headers, timestamp };
}

// It sends what it is given at once, and waits for no more: how much is given is how large the batches are.
function* pieces(records, bytes) {
  let piece = [];
  let size = 0;
  for (const record of records) {
    const more = (record.value ?? "").length;
    if (piece.length > 0 && size + more > bytes) {
      yield piece;
      piece = [];
      size = 0;
    }
    piece.push(record);
    size += more;
  }
  yield piece;
}

async function publish(plan, run) {
  const kafka = new Kafka({ brokers: [plan.bootstrap], logLevel: logLevel.ERROR });
  const createPartitioner =
    run.partitioner === "default" ? Partitioners.LegacyPartitioner : Partitioners.DefaultPartitioner;
  const transactionalId = run.transaction ? randomUUID() : undefined;
  const producer = kafka.producer({ createPartitioner, idempotent: true, maxInFlightRequests: 1, transactionalId });
  await producer.connect();
  try {
    const to = run.transaction ? await producer.transaction() : producer;
    for (const piece of pieces(run.records, run.batch_bytes)) {
      await to.send({ topic: plan.topic, compression: CODECS[plan.codec], messages: piece.map(messageOf) });
    }
    if (run.transaction === "commit") {
      await to.commit();
    } else if (run.transaction === "abort") {
      await to.abort();
    }
  } finally {
    await producer.disconnect();
  }
  return run.records.length;
}

async function main(path) {
  await zstd.init();
  const plan = JSON.parse(readFileSync(path, "utf8"));
  let published = 0;
  for (const run of plan.runs) {
    published += await publish(plan, run);
  }
  console.log(JSON.stringify({ version: require("kafkajs/package.json").version, published }));
}

main(process.argv[2]).catch((error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
});
