// SPDX-License-Identifier: MIT
//
// Opens an envelope with nothing but Node's own crypto: what a recipient that
// is not written in Python needs. HPKE base mode of RFC 9180, for X25519 or
// P-256, HKDF-SHA256, and AES-256-GCM or ChaCha20-Poly1305.
//
// Reads {"envelope": hex, "private": hex, "public": hex} from stdin, where
// both keys are as RFC 9180 serialises them; writes {"head": ..., "body": hex}.

import {
    createDecipheriv, createHash, createHmac, createPrivateKey,
    createPublicKey, diffieHellman,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const text = (s) => Buffer.from(s, "ascii");
const sha256 = (data) => createHash("sha256").update(data).digest();
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();
const b64 = (data) => data.toString("base64url");

const KEMS = {
    0x0020: {
        size: 32,
        jwk: (pub, priv) => ({
            kty: "OKP", crv: "X25519", x: b64(pub), ...priv && { d: b64(priv) },
        }),
    },
    0x0010: {
        size: 65,
        jwk: (pub, priv) => ({
            kty: "EC", crv: "P-256", x: b64(pub.subarray(1, 33)),
            y: b64(pub.subarray(33)), ...priv && { d: b64(priv) },
        }),
    },
};
const AEADS = { 0x0002: "aes-256-gcm", 0x0003: "chacha20-poly1305" };

function extract(suite, salt, label, ikm) {
    return hmac(salt.length ? salt : Buffer.alloc(32),
        Buffer.concat([text("HPKE-v1"), suite, text(label), ikm]));
}

function expand(suite, prk, label, info, length) {
    const data = Buffer.concat(
        [u16(length), text("HPKE-v1"), suite, text(label), info]);
    return hmac(prk, Buffer.concat([data, Buffer.from([1])])).subarray(0, length);
}

function open(envelope, priv, pub) {
    const [kem, kdf, aead, size] = [1, 3, 5, 7].map((at) => envelope.readUInt16BE(at));
    if (kdf !== 1 || !KEMS[kem] || !AEADS[aead]) throw new Error("unknown suite");
    const head = envelope.subarray(9, 9 + size);
    const enc = envelope.subarray(9 + size, 9 + size + KEMS[kem].size);
    const sealed = envelope.subarray(9 + size + KEMS[kem].size);
    const info = Buffer.concat(
        [text("consentkit envelope 1\0"), envelope.subarray(0, 9), sha256(head)]);

    const kemSuite = Buffer.concat([text("KEM"), u16(kem)]);
    const dh = diffieHellman({
        privateKey: createPrivateKey(
            { key: KEMS[kem].jwk(pub, priv), format: "jwk" }),
        publicKey: createPublicKey({ key: KEMS[kem].jwk(enc), format: "jwk" }),
    });
    const none = Buffer.alloc(0);
    const shared = expand(kemSuite, extract(kemSuite, none, "eae_prk", dh),
        "shared_secret", Buffer.concat([enc, pub]), 32);

    const suite = Buffer.concat([text("HPKE"), u16(kem), u16(kdf), u16(aead)]);
    const context = Buffer.concat([Buffer.from([0]),
        extract(suite, none, "psk_id_hash", none),
        extract(suite, none, "info_hash", info)]);
    const secret = extract(suite, shared, "secret", none);
    const key = expand(suite, secret, "key", context, 32);
    const nonce = expand(suite, secret, "base_nonce", context, 12);

    const cipher = createDecipheriv(AEADS[aead], key, nonce, { authTagLength: 16 });
    cipher.setAuthTag(sealed.subarray(-16));
    const plain = Buffer.concat(
        [cipher.update(sealed.subarray(0, -16)), cipher.final()]);
    const packed = plain.subarray(4, 4 + plain.readUInt32BE(0));
    return {
        head: JSON.parse(head.toString("ascii")),
        body: inflateRawSync(packed).toString("hex"),
    };
}

const given = JSON.parse(readFileSync(0, "utf8"));
const [envelope, priv, pub] = [given.envelope, given.private, given.public]
    .map((hex) => Buffer.from(hex, "hex"));
process.stdout.write(JSON.stringify(open(envelope, priv, pub)) + "\n");
