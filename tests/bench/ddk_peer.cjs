// Drives DDK's native module for ddk.py: one party's adaptor signatures of one event, made and verified.
//
// node ddk_peer.cjs MODULE; a line of JSON on stdin names the sets, each further line is the name of one, answered with
// the seconds of processor time that it took.
"use strict";
const { createECDH, createHash } = require("crypto");
const { createInterface } = require("readline");
const ddk = require(process.argv[2]);

const sha256 = (text) => createHash("sha256").update(text).digest();

function keyPair(label) {
  const pair = createECDH("secp256k1");
  pair.setPrivateKey(sha256(label));
  return { secret: sha256(label), point: pair.getPublicKey(null, "compressed") };
}

const xOnly = (label) => keyPair(label).point.subarray(1);
const script = (label) => Buffer.concat([Buffer.from([0, 20]), sha256(label).subarray(0, 20)]);

function party(name, collateral) {
  const coin = {
    txid: sha256(name).toString("hex"),
    vout: 0,
    scriptSig: Buffer.alloc(0),
    maxWitnessLength: 108,
    serialId: 3n,
  };
  return {
    fundPubkey: keyPair(name).point,
    changeScriptPubkey: script(name + " change"),
    changeSerialId: 1n,
    payoutScriptPubkey: script(name + " payout"),
    payoutSerialId: 2n,
    inputs: [coin],
    inputAmount: BigInt(collateral + 1000000),
    collateral: BigInt(collateral),
    dlcInputs: [],
  };
}

// cets: [[offerer's sats, digits as a string of 0 and 1], ...]
function prepare({ digits, pool, cets }) {
  const offerers = Math.floor(pool / 2);
  const outcomes = cets.map(([sats]) => ({ offer: BigInt(sats), accept: BigInt(pool - sats) }));
  const made = ddk.createDlcTransactions(outcomes, party("a", offerers), party("b", pool - offerers), 100, 2n, 0, 0, 7n);
  const hashes = { 0: sha256("0"), 1: sha256("1") };
  return {
    cets: made.cets,
    oracle: [{ publicKey: xOnly("oracle"), nonces: [...Array(digits).keys()].map((digit) => xOnly("nonce " + digit)) }],
    messages: cets.map(([, prefix]) => [[...prefix].map((bit) => hashes[bit])]),
    script: made.fundingScriptPubkey,
    sats: made.fund.outputs.find((output) => output.scriptPubkey.length === 34).value,
  };
}

function lap(work) {
  const before = process.cpuUsage();
  const result = work();
  const spent = process.cpuUsage(before);
  return [(spent.user + spent.system) / 1e6, result];
}

function round(job) {
  const { secret, point } = keyPair("a");
  const [create, signatures] = lap(() =>
    ddk.createCetAdaptorSigsFromOracleInfo(job.cets, job.oracle, secret, job.script, job.sats, job.messages),
  );
  const [verify, valid] = lap(() =>
    ddk.verifyCetAdaptorSigsFromOracleInfo(signatures, job.cets, job.oracle, point, job.script, job.sats, job.messages),
  );
  if (!valid) throw new Error("DDK does not accept its own signatures");
  return { create, verify };
}

let jobs = null;
createInterface({ input: process.stdin }).on("line", (line) => {
  if (jobs === null) {
    jobs = Object.fromEntries(Object.entries(JSON.parse(line)).map(([name, set]) => [name, prepare(set)]));
    console.log(JSON.stringify({ version: ddk.version() }));
  } else {
    console.log(JSON.stringify(round(jobs[line])));
  }
});
