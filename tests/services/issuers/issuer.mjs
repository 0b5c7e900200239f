// An OpenID provider (npm `oidc-provider`) at https://127.0.0.1: discovery, keys, and JWTs by client_credentials, as RFC
// 8707 has it: the audience is the `resource`. Prints its address once it serves.
// usage: node issuer.mjs ALGORITHM CERTIFICATE KEY
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

// Of version 8, which runs on the Node.js of Debian 12.
import Provider from 'oidc-provider';

const [algorithm, certificate, key] = process.argv.slice(2);
const kinds = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};
const jwk = generateKeyPairSync(...kinds[algorithm]).privateKey.export({ format: 'jwk' });

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const address = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(address, {
    jwks: { keys: [{ ...jwk, alg: algorithm, use: 'sig', kid: `key-${algorithm}` }] },
    clients: [{
      client_id: 'job',
      client_secret: 'the-secret-of-a-job',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: algorithm,
    }],
    // The claims of a job. `more` makes the JWT as long as a test asks: the scope is a text of any length.
    extraTokenClaims: (_, token) => ({
      repo: 'acme/app', ref: 'refs/heads/main', owner_id: '42', more: 'x'.repeat(Number(token.scope ?? 0)),
    }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: '0 700 4100',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
    ttl: { ClientCredentials: 300 },
  });
  server.on('request', provider.callback());
  console.log(`serves ${address}`);
});
