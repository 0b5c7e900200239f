// An OpenID provider (npm `oidc-provider`) at https://127.0.0.1, at which one person signs in without being asked: ada, in
// the group dev. It demands PKCE, renews with refresh tokens that rotate, and tells the claims of a scope at its endpoint
// for claims only, as the specification has it. Prints its address once it serves.
// usage: node people.mjs CERTIFICATE KEY
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

// Of version 8, which runs on the Node.js of Debian 12.
import Provider from 'oidc-provider';

const [certificate, key] = process.argv.slice(2);
const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.listen(0, '127.0.0.1', () => {
  const address = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(address, {
    jwks: { keys: [{ ...jwk, alg: 'RS256', use: 'sig', kid: 'key-of-people' }] },
    clients: [{
      client_id: 'the-registry',
      client_secret: 'the-secret-of-the-registry',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['https://registry.test/oidc_auth'],
    }],
    pkce: { required: () => true, methods: ['S256'] },
    scopes: ['openid', 'email', 'groups'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, groups: ['dev'] }),
    }),
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: () => true,
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client.clientId, accountId: oidc.session.accountId,
      });
      grant.addOIDCScope('openid email groups');
      await grant.save();
      return grant;
    },
  });
  const others = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      provider.interactionFinished(request, response, { login: { accountId: 'ada' } });
    } else {
      others(request, response);
    }
  });
  console.log(`serves ${address}`);
});
