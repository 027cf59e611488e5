// The library's own signing, for our checks: on stdout, as JSON, the signatures and the token that stdin asks for. No network.
import "@shopify/shopify-api/adapters/node";
import { createSHA256HMAC, HashFormat } from "@shopify/shopify-api/runtime";
import { SignJWT } from "jose"; // what the library reads session tokens with

const { secret, body, query, claims } = JSON.parse(await new Response(process.stdin).text());
const joined = (glue) => Object.keys(query).sort().map((name) => `${name}=${query[name]}`).join(glue);
const made = {
  webhook: await createSHA256HMAC(secret, body),
  hmac: await createSHA256HMAC(secret, joined("&"), HashFormat.Hex),
  signature: await createSHA256HMAC(secret, joined(""), HashFormat.Hex),
  token: await new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(new TextEncoder().encode(secret)),
};
process.stdout.write(JSON.stringify(made));
