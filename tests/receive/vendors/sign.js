// Signs deliveries with the libraries that vendors publish for Node. It reads a list of deliveries as JSON from its
// input, and writes the list of their signatures.

const { Signature } = require("@hubspot/api-client");
const standard = require("standardwebhooks");
const svix = require("svix");

const SIGN = {
  standardwebhooks: (one) => new standard.Webhook(one.secret).sign(one.id, new Date(one.at), one.body),
  svix: (one) => new svix.Webhook(one.secret).sign(one.id, new Date(one.at), one.body),
  hubspot: (one) =>
    Signature.getSignature("POST", "v3", {
      clientSecret: one.secret,
      requestBody: one.body,
      url: one.url,
      timestamp: one.at,
    }),
};

const deliveries = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(deliveries.map((one) => SIGN[one.library](one))));
