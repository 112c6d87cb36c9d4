"""The tokens of the stand-in: what Entra and ACR sign, and what they check."""

import base64
import subprocess
import time
import uuid

import jwt

AUDIENCE = "https://containerregistry.azure.net"
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
ISSUER = "Azure Container Registry"


class Signer:
    """Signs with the key of a certificate, which the registry trusts by its authority (x5c)."""

    def __init__(self, certificate, key):
        self.key = key.read_text()
        der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True, capture_output=True).stdout
        self.public = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True,
                                     text=True).stdout
        self.headers = {"typ": "JWT", "x5c": [base64.b64encode(der).decode()]}

    def sign(self, lifetime, skew=0, **claims):
        now = int(time.time()) + skew
        return jwt.encode({"jti": str(uuid.uuid4()), "iat": now, "nbf": now, "exp": now + lifetime, **claims}, self.key, "ES256",
                          headers=self.headers)

    def check(self, token, audience):
        """The claims, or None."""
        try:
            return jwt.decode(token, self.public, ["ES256"], audience=audience)
        except jwt.PyJWTError:
            return None


class Refused(Exception):
    """An answer of Entra: `code` as in AADSTS`code`."""

    def __init__(self, code, sentence, error="invalid_client"):
        super().__init__(sentence)
        self.code, self.error = code, error


def check_assertion(assertion, keys, subject, issuer):
    """A service account's token against the cluster's own public keys (PEM), as Entra does with the issuer's."""
    for key in keys:
        try:
            claims = jwt.decode(assertion, key, ["RS256", "ES256"], audience=EXCHANGE_AUDIENCE)
            break
        except jwt.ExpiredSignatureError as error:
            raise Refused(700024, "Client assertion is not within its valid time range.") from error
        except jwt.InvalidAudienceError as error:
            raise Refused(700212, "No matching federated identity record found for presented assertion audience.") from error
        except jwt.PyJWTError:
            continue
    else:
        raise Refused(50027, "JWT token is invalid or malformed.", "invalid_request")
    if issuer and claims.get("iss") != issuer:
        raise Refused(700211, "No matching federated identity record found for presented assertion issuer.", "invalid_request")
    if claims.get("sub") != subject:
        raise Refused(70021, "No matching federated identity record found for presented assertion.", "invalid_request")
