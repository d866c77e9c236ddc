#!/usr/bin/env python3
# Verifies the identity header as an application would, with PyJWT and nothing of ours.
#
#   verify_identity.py JWKS_URL HOST ALGORITHM ISSUER AUDIENCE <TOKEN
#
# Prints the claims as JSON, or the reason why the token is not accepted (and exits with 1). HOST is sent as the
# Host header, for names that this machine's resolver does not know.
import json
import sys

import jwt

jwks_url, host, algorithm, issuer, audience = sys.argv[1:]
token = sys.stdin.read().strip()
try:
    keys = jwt.PyJWKClient(jwks_url, headers={"Host": host})
    key = keys.get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        issuer=issuer,
        audience=audience,
        options={"require": ["iss", "aud", "iat", "nbf", "exp", "jti", "sub", "sid"]},
    )
except jwt.PyJWTError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
if jwt.get_unverified_header(token)["typ"] != "anteroom-identity+jwt":
    print("another kind of token")
    sys.exit(1)
json.dump(claims, sys.stdout)
