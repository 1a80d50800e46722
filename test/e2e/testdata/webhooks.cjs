// Reads {secret, calls: [{headers, body}]}, the bodies in base64, and says of each call
// what the libraries make of it that customers check webhooks with: "ok" or the error,
// and what they read. Each is also tried with one byte changed, and with another secret.
const { Webhook: Standard } = require("standardwebhooks");
const { Webhook: Svix } = require("svix");
const { readFileSync } = require("node:fs");

const { secret, calls } = JSON.parse(readFileSync(0, "utf8"));
const wrong = "whsec_" + Buffer.alloc(32, 7).toString("base64");

function verify(Webhook, key, body, headers) {
  try {
    return { verdict: "ok", payload: new Webhook(key).verify(body, headers) };
  } catch (err) {
    return { verdict: err.message };
  }
}

// Svix's customers get the same values under its own names.
function asSvix(headers) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase().replace(/^webhook-/, "svix-"), value]));
}

const out = calls.map(({ headers, body }) => {
  const raw = Buffer.from(body, "base64");
  const text = raw.toString("utf8");
  const changed = Buffer.from(raw);
  changed[changed.length - 3] ^= 1;
  const tries = [
    ["standardwebhooks", Standard, headers],
    ["svix", Svix, headers],
    ["svix, by its own names", Svix, asSvix(headers)],
  ];
  return tries.map(([library, Webhook, names]) => {
    const { verdict, payload } = verify(Webhook, secret, text, names);
    return {
      library,
      verdict,
      payload,
      changed: verify(Webhook, secret, changed.toString("utf8"), names).verdict,
      later: verify(Webhook, secret, text, { ...names, [Object.keys(names).find((n) => /-timestamp$/i.test(n))]: "1700000000" }).verdict,
      wrong: verify(Webhook, wrong, text, names).verdict,
    };
  });
});
process.stdout.write(JSON.stringify(out));
