// Shopify's own library answers on stdout, as JSON, a list of questions on stdin. No network.
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";

const { clientId, secret, questions } = JSON.parse(await new Response(process.stdin).text());
const shopify = shopifyApi({
  apiKey: clientId,
  apiSecretKey: secret,
  scopes: ["read_orders"],
  hostName: "app.example.com",
  apiVersion: ApiVersion.July26,
  isEmbeddedApp: true,
  logger: { level: 0 },
});
const ask = {
  webhook: async ({ body, headers }) =>
    (await shopify.webhooks.validate({ rawBody: body, rawRequest: { method: "POST", url: "/", headers }, rawResponse: {} })).valid,
  token: async ({ token }) => Boolean(await shopify.session.decodeSessionToken(token)),
  query: ({ query }) => shopify.utils.validateHmac(query),
  proxy: ({ query }) => shopify.utils.validateHmac(query, { signator: "appProxy" }),
  shop: async ({ shop }) => Boolean(shopify.utils.sanitizeShop(shop)),
};
const answers = await Promise.all(questions.map((each) => Promise.resolve().then(() => ask[each.kind](each)).catch(() => false)));
process.stdout.write(JSON.stringify(answers));
