/**
 * HMAC-SHA256, by which a server proves that it knows the token. `crypto.subtle` is not used, because browsers have it
 * only where a page comes by https or from this machine.
 */

// The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3).
const fraction = (root) => ((root % 1) * 2 ** 32) | 0;
const PRIMES = [];
for (let n = 2; PRIMES.length < 64; n += 1) if (PRIMES.every((prime) => n % prime)) PRIMES.push(n);
const ROUNDS = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const BLOCK = 64;

const turn = (word, ...counts) => counts.reduce((sum, n) => sum ^ ((word >>> n) | (word << (32 - n))), 0);

/** The SHA-256 of a list of bytes, as a Uint8Array. */
export function sha256(bytes) {
  const size = bytes.length;
  const data = new DataView(new ArrayBuffer(BLOCK * (((size + 8) >> 6) + 1)));
  new Uint8Array(data.buffer).set([...bytes, 0x80]);
  data.setUint32(data.byteLength - 4, size * 8);
  const hash = [...START];
  for (let at = 0; at < data.byteLength; at += BLOCK) {
    const words = [];
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i += 1) {
      if (i < 16) words[i] = data.getInt32(at + 4 * i);
      else {
        const [x, y] = [words[i - 15], words[i - 2]];
        words[i] = (words[i - 16] + words[i - 7] + (turn(x, 7, 18) ^ (x >>> 3)) + (turn(y, 17, 19) ^ (y >>> 10))) | 0;
      }
      const next = (h + turn(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + next) | 0, c, b, a, (next + turn(a, 2, 13, 22) + ((a & b) ^ (a & c) ^ (b & c))) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] = (hash[i] + word) | 0));
  }
  const result = new DataView(new ArrayBuffer(32));
  hash.forEach((word, i) => result.setInt32(4 * i, word));
  return new Uint8Array(result.buffer);
}

/** The HMAC-SHA256 (RFC 2104) of two texts, in hex. */
export function hmac(key, text) {
  const utf8 = (part) => new TextEncoder().encode(part);
  let bytes = utf8(key);
  if (bytes.length > BLOCK) bytes = sha256(bytes);
  const pad = (mask) => Array.from({ length: BLOCK }, (_, i) => bytes[i] ^ mask);
  return hex(sha256([...pad(0x5c), ...sha256([...pad(0x36), ...utf8(text)])]));
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
